#include "quantity_index.h"

#include <algorithm>
#include <cmath>
#include <tuple>

namespace leadline::judge {
namespace {

uint32_t DateKey(int year, int month, int day) {
  return static_cast<uint32_t>(year) * 512U + static_cast<uint32_t>(month) * 32U +
         static_cast<uint32_t>(day);
}

double KeyOf(const Quantity& quantity, bool by_base) {
  return by_base ? quantity.value * quantity.factor : quantity.value;
}

void SortUnique(bool by_base, std::vector<Quantity>* quantities) {
  const auto order = [by_base](const Quantity& q) {
    return std::tuple(KeyOf(q, by_base), q.dimension, q.factor);
  };
  std::sort(quantities->begin(), quantities->end(),
            [&order](const Quantity& a, const Quantity& b) { return order(a) < order(b); });
  quantities->erase(
      std::unique(quantities->begin(), quantities->end(),
                  [&order](const Quantity& a, const Quantity& b) { return order(a) == order(b); }),
      quantities->end());
}

}  // namespace

void QuantityIndex::Add(const Quantity& given) {
  if (given.dimension != Dimension::kDate) {
    by_value_.push_back(given);
    return;
  }
  for (const int year : {0, given.year}) {
    for (const int month : {0, given.month}) {
      for (const int day : {0, given.day}) {
        dates_.insert(DateKey(year, month, day));
      }
    }
  }
  numbers_of_dates_.insert(static_cast<uint32_t>(given.year));
  numbers_of_dates_.insert(static_cast<uint32_t>(given.day));
}

void QuantityIndex::Finish() {
  numbers_of_dates_.erase(0);
  by_base_ = by_value_;
  SortUnique(false, &by_value_);
  SortUnique(true, &by_base_);
}

bool QuantityIndex::Search(const std::vector<Quantity>& sorted, bool by_base,
                           const Quantity& stated) const {
  // Wider than any tolerance of Agrees; Agrees decides.
  const double key = KeyOf(stated, by_base);
  const double slack = std::abs(key) * (stated.approximate ? 0.06 : 1e-6);
  auto next = std::lower_bound(
      sorted.begin(), sorted.end(), key - slack,
      [by_base](const Quantity& q, double bound) { return KeyOf(q, by_base) < bound; });
  for (size_t i = 0; i < kMaxCandidates && next != sorted.end(); ++i, ++next) {
    if (KeyOf(*next, by_base) > key + slack) {
      return false;
    }
    if (Agrees(stated, *next)) {
      return true;
    }
  }
  return false;
}

bool QuantityIndex::HasAgreeing(const Quantity& stated) const {
  if (stated.dimension == Dimension::kDate) {
    if (dates_.contains(DateKey(stated.year, stated.month, stated.day))) {
      return true;
    }
    Quantity year;
    year.dimension = Dimension::kYear;
    year.value = stated.year;
    return stated.month == 0 && stated.day == 0 && Search(by_value_, false, year);
  }
  const bool plain = stated.dimension == Dimension::kPlain || stated.dimension == Dimension::kYear;
  if (plain && stated.value > 0 && stated.value == std::floor(stated.value) &&
      stated.value < 10000 && numbers_of_dates_.contains(static_cast<uint32_t>(stated.value))) {
    return true;
  }
  return Search(by_value_, false, stated) || Search(by_base_, true, stated);
}

}  // namespace leadline::judge
