#include <algorithm>
#include <utility>
#include <vector>

#include "leadline/core/filter_tree.h"
#include "leadline/core/leaf_predicate.h"
#include "leadline/core/payload_json.h"
#include "leadline/core/payload_walk.h"

namespace leadline {
namespace {

/// One path of the filter, or a prefix of one.
struct Place {
  std::vector<std::pair<std::string, int>> children;  ///< sorted by key
  std::vector<uint32_t> leaves;                       ///< predicates on this path
};

int FindChild(const Place& place, std::string_view key) {
  const auto at =
      std::lower_bound(place.children.begin(), place.children.end(), key,
                       [](const auto& child, std::string_view k) { return child.first < k; });
  return at != place.children.end() && at->first == key ? at->second : PayloadSink::kNowhere;
}

}  // namespace

/// Predicates hang on a tree of paths. As each predicate asks whether some value at its path
/// passes, one walk that raises a flag per predicate decides all of them.
struct CompiledFilter::Program {
  explicit Program(const Filter& source);

  void AddLeaf(const FilterNode& node);
  [[nodiscard]] bool Combine(const std::vector<uint8_t>& passed) const;

  Filter filter;  ///< owns the nodes the leaves point to
  std::vector<LeafPredicate> leaves;
  std::vector<size_t> seen_offset;  ///< per leaf: its first slot of Evaluation::seen (ALL only)
  size_t seen_size = 0;
  std::vector<Place> places;
};

namespace {

/// The state of testing one payload.
class Evaluation : public PayloadSink {
 public:
  Evaluation(const std::vector<Place>* places, const std::vector<LeafPredicate>* leaves,
             const std::vector<size_t>* seen_offset, size_t seen_size)
      : places_(places),
        leaves_(leaves),
        seen_offset_(seen_offset),
        passed_(leaves->size(), 0),
        seen_(seen_size, 0) {}

  int Child(int place, std::string_view key) override { return FindChild(At(place), key); }

  void OnScalar(int place, const PayloadScalar& value) override {
    const bool is_null = value.type == PayloadScalar::Type::kNull;
    for (const uint32_t leaf : At(place).leaves) {
      const LeafPredicate& predicate = (*leaves_)[leaf];
      switch (predicate.node().kind) {
        case FilterNodeKind::kExists:
          passed_[leaf] = 1;
          break;
        case FilterNodeKind::kIsNull:  // the flag means "not null"; Combine turns it around
          passed_[leaf] |= static_cast<uint8_t>(!is_null);
          break;
        case FilterNodeKind::kContainsAny:
        case FilterNodeKind::kContainsAll:
          if (passed_[leaf] == 0 && value.type == PayloadScalar::Type::kString) {
            passed_[leaf] = static_cast<uint8_t>(predicate.AcceptsText(value.text));
          }
          break;
        default:
          if (passed_[leaf] == 0) {
            passed_[leaf] = static_cast<uint8_t>(predicate.Accepts(value));
          }
      }
    }
  }

  void OnObject(int place) override { MarkPresent(place); }

  void OnArray(int place) override {
    MarkPresent(place);
    for (const uint32_t leaf : At(place).leaves) {
      if ((*leaves_)[leaf].node().kind == FilterNodeKind::kContainsAll) {
        const auto first = seen_.begin() + static_cast<ptrdiff_t>((*seen_offset_)[leaf]);
        std::fill(first, first + static_cast<ptrdiff_t>((*leaves_)[leaf].literals()), uint8_t{0});
      }
    }
  }

  void OnElement(int place, const PayloadScalar& value) override {
    for (const uint32_t leaf : At(place).leaves) {
      if (passed_[leaf] != 0) {
        continue;
      }
      const LeafPredicate& predicate = (*leaves_)[leaf];
      switch (predicate.node().kind) {
        case FilterNodeKind::kExists:
        case FilterNodeKind::kIsNull:
          break;
        case FilterNodeKind::kContainsAny:
          passed_[leaf] =
              static_cast<uint8_t>(predicate.FindLiteral(value) != LeafPredicate::kNoLiteral);
          break;
        case FilterNodeKind::kContainsAll: {
          const int literal = predicate.FindLiteral(value);
          if (literal != LeafPredicate::kNoLiteral) {
            seen_[(*seen_offset_)[leaf] + static_cast<size_t>(literal)] = 1;
          }
          break;
        }
        default:
          passed_[leaf] = static_cast<uint8_t>(predicate.Accepts(value));
      }
    }
  }

  void OnArrayEnd(int place) override {
    for (const uint32_t leaf : At(place).leaves) {
      if (passed_[leaf] == 0 && (*leaves_)[leaf].node().kind == FilterNodeKind::kContainsAll) {
        const auto first = seen_.begin() + static_cast<ptrdiff_t>((*seen_offset_)[leaf]);
        const auto last = first + static_cast<ptrdiff_t>((*leaves_)[leaf].literals());
        passed_[leaf] = static_cast<uint8_t>(std::find(first, last, uint8_t{0}) == last);
      }
    }
  }

  void Reset() { std::fill(passed_.begin(), passed_.end(), uint8_t{0}); }

  [[nodiscard]] const std::vector<uint8_t>& passed() const { return passed_; }

 private:
  [[nodiscard]] const Place& At(int place) const { return (*places_)[static_cast<size_t>(place)]; }

  void MarkPresent(int place) {
    for (const uint32_t leaf : At(place).leaves) {
      const FilterNodeKind kind = (*leaves_)[leaf].node().kind;
      passed_[leaf] |=
          static_cast<uint8_t>(kind == FilterNodeKind::kExists || kind == FilterNodeKind::kIsNull);
    }
  }

  const std::vector<Place>* places_;
  const std::vector<LeafPredicate>* leaves_;
  const std::vector<size_t>* seen_offset_;
  std::vector<uint8_t> passed_;
  std::vector<uint8_t> seen_;  ///< per literal of CONTAINS ALL: met in the current array
};

}  // namespace

CompiledFilter::Program::Program(const Filter& source) : filter(source), places(1) {
  for (const FilterNode& node : filter.tree().nodes) {
    if (!IsConnective(node.kind)) {
      AddLeaf(node);
    }
  }
}

void CompiledFilter::Program::AddLeaf(const FilterNode& node) {
  int place = 0;
  for (const std::string& key : node.path) {
    int next = FindChild(places[static_cast<size_t>(place)], key);
    if (next == PayloadSink::kNowhere) {
      next = static_cast<int>(places.size());
      places.emplace_back();
      auto& children = places[static_cast<size_t>(place)].children;
      children.emplace(std::lower_bound(children.begin(), children.end(), std::pair(key, 0)), key,
                       next);
    }
    place = next;
  }
  const auto leaf = static_cast<uint32_t>(leaves.size());
  leaves.emplace_back(node);
  seen_offset.push_back(seen_size);
  if (node.kind == FilterNodeKind::kContainsAll) {
    seen_size += leaves.back().literals();
  }
  places[static_cast<size_t>(place)].leaves.push_back(leaf);
}

bool CompiledFilter::Program::Combine(const std::vector<uint8_t>& passed) const {
  std::vector<uint8_t> stack;
  size_t leaf = 0;
  for (const FilterNode& node : filter.tree().nodes) {
    if (node.kind == FilterNodeKind::kNot) {
      stack.back() ^= 1U;
    } else if (IsConnective(node.kind)) {
      const auto first = stack.end() - static_cast<ptrdiff_t>(node.arity);
      const bool is_and = node.kind == FilterNodeKind::kAnd;
      const uint8_t decisive = is_and ? 0 : 1;
      const bool decided = std::find(first, stack.end(), decisive) != stack.end();
      stack.erase(first, stack.end());
      stack.push_back(static_cast<uint8_t>(decided != is_and));
    } else {
      const uint8_t flag = passed[leaf++];
      stack.push_back(node.kind == FilterNodeKind::kIsNull ? flag ^ 1U : flag);
    }
  }
  return stack.back() != 0;
}

CompiledFilter::CompiledFilter(const Filter& filter)
    : program_(std::make_shared<const Program>(filter)) {}

CompiledFilter::CompiledFilter(const CompiledFilter&) = default;
CompiledFilter& CompiledFilter::operator=(const CompiledFilter&) = default;
CompiledFilter::CompiledFilter(CompiledFilter&&) noexcept = default;
CompiledFilter& CompiledFilter::operator=(CompiledFilter&&) noexcept = default;
CompiledFilter::~CompiledFilter() = default;

bool CompiledFilter::Matches(std::string_view payload_json) const {
  Evaluation evaluation(&program_->places, &program_->leaves, &program_->seen_offset,
                        program_->seen_size);
  if (!WalkPayload(payload_json, &evaluation)) {
    evaluation.Reset();
  }
  return program_->Combine(evaluation.passed());
}

bool Matches(const Filter& filter, std::string_view payload_json) {
  return CompiledFilter(filter).Matches(payload_json);
}

}  // namespace leadline
