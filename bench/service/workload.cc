#include "workload.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace leadline::bench {
namespace {

/// .fvecs and .ivecs alike: i32 width, then the values, per row.
template <typename T>
std::vector<T> ReadVecs(const std::string& path, size_t max_rows, size_t* width) {
  std::vector<T> values;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  int32_t dim = 0;
  for (size_t row = 0; file != nullptr && row < max_rows; ++row) {
    if (std::fread(&dim, sizeof dim, 1, file) != 1 || dim < 1) {
      break;
    }
    *width = static_cast<size_t>(dim);
    const size_t old_size = values.size();
    values.resize(old_size + *width);
    if (std::fread(values.data() + old_size, sizeof(T), *width, file) != *width) {
      Fail("a row of " + path + " is cut off");
    }
  }
  if (file != nullptr) {
    std::fclose(file);
  }
  if (values.empty() || values.size() % *width != 0) {
    Fail("cannot read rows of one width from " + path);
  }
  return values;
}

}  // namespace

Workload::Workload(const std::string& queries, const std::string& truth)
    : queries_(ReadVecs<float>(queries, SIZE_MAX, &dim_)),
      truth_(ReadVecs<int32_t>(truth, SIZE_MAX, &truth_width_)) {
  if (truth_width_ < kTop || truth_.size() / truth_width_ != size()) {
    Fail("the neighbours in " + truth + " are not those of " + queries);
  }
}

VectorView Workload::query(size_t number) const {
  return {queries_.data() + number % size() * dim_, dim_};
}

size_t Workload::FirstOfBatch(size_t number, size_t count) const {
  return number * count % (size() - std::min(size(), count) + 1);
}

MatrixView Workload::batch(size_t first, size_t count) const {
  return {queries_.data() + first * dim_, std::min(size() - first, count), dim_};
}

size_t Workload::CountRight(size_t number, const std::vector<Hit>& hits) const {
  const int32_t* const first = truth_.data() + number % size() * truth_width_;
  size_t right = 0;
  for (const Hit& hit : hits) {
    int32_t row = -1;
    std::from_chars(hit.id.data(), hit.id.data() + hit.id.size(), row);
    right += std::find(first, first + kTop, row) != first + kTop ? 1 : 0;
  }
  return right;
}

std::vector<std::vector<Record>> ReadBatches(const std::string& path, size_t max_rows,
                                             size_t batch_rows) {
  size_t dim = 0;
  const std::vector<float> values = ReadVecs<float>(path, max_rows, &dim);
  std::vector<std::vector<Record>> batches;
  for (size_t row = 0; row < values.size() / dim; ++row) {
    if (row % batch_rows == 0) {
      batches.emplace_back();
    }
    Record& record = batches.back().emplace_back();
    record.id = std::to_string(row);
    record.vector.assign(values.begin() + static_cast<std::ptrdiff_t>(row * dim),
                         values.begin() + static_cast<std::ptrdiff_t>((row + 1) * dim));
  }
  return batches;
}

void Fail(const std::string& message) {
  std::fprintf(stderr, "leadline_service_load: %s\n", message.c_str());
  std::exit(1);
}

void OrDie(const Status& status) {
  if (!status.ok()) {
    Fail(status.ToString());
  }
}

}  // namespace leadline::bench
