#include "listed_rows.h"

#include <algorithm>
#include <optional>

namespace leadline::index {
namespace {

using simd::kBlockRows;
using List = IvfListedRows::List;

/// Of the index's own rows, so many in a thousand are coded no worse than a listed row may be.
constexpr size_t kOfThousand = 980;
constexpr size_t kSampledRows = 256;

/// Codes rows as the blocks of an index do. REQUIRES: the index has blocks.
class BlockEncoder {
 public:
  explicit BlockEncoder(const IvfParts& parts)
      : blocks_(*parts.blocks()),
        shape_(parts.products.has_value() ? parts.products->shape : SignShape(parts.codes->dim())),
        codes_(shape_.parts()) {
    if (parts.products.has_value()) {
      products_.emplace(shape_, parts.metric, parts.products->codewords);
    } else {
      bits_.emplace(parts.bits->rotation, parts.metric);
    }
  }

  /// Readies `row` for list `list`; returns how far off its code may be, in a measure that compares
  /// rows of one index.
  double Encode(const float* row, size_t list) {
    base_ = blocks_.bases.row(list).data();
    if (products_.has_value()) {
      products_->Encode(row, base_);
      return products_->SquaredError();
    }
    bits_->SetBase(base_);
    terms_ = bits_->Encode(row, codes_.data());
    return terms_.scale;
  }

  /// Adds the row that was readied to `list`.
  void AddTo(List* list, uint32_t number) const {
    const size_t block = list->coded.size() / kBlockRows;
    const size_t r = list->coded.size() % kBlockRows;
    if (r == 0) {
      const size_t rows = (block + 1) * kBlockRows;
      list->lines.resize((block + 1) * blocks_.lines + 1);
      list->adds.resize(blocks_.adds == nullptr ? 0 : rows);
      list->scales.resize(blocks_.scales == nullptr ? 0 : rows);
    }
    BitTerms terms = terms_;
    uint8_t* const bytes = list->lines[block * blocks_.lines].bytes;
    if (products_.has_value()) {
      products_->Place(base_, r, bytes, &terms.add);
    } else {
      PlaceInBlock(shape_, codes_.data(), r, bytes);
    }
    if (!list->adds.empty()) {
      list->adds[block * kBlockRows + r] = terms.add;
    }
    if (!list->scales.empty()) {
      list->scales[block * kBlockRows + r] = terms.scale;
    }
    list->coded.push_back(number);
  }

 private:
  const ListBlocks& blocks_;
  const PqShape shape_;
  std::optional<ListEncoder> products_;
  std::optional<BitEncoder> bits_;
  std::vector<uint8_t> codes_;
  BitTerms terms_;
  const float* base_ = nullptr;
};

/// The error that few of the index's own rows exceed. The rows are taken as their sq8 codes say:
/// these are in memory, and lose next to nothing beside what blocks lose.
double UsualError(const IvfParts& parts) {
  const RowCodes& codes = *parts.codes;
  BlockEncoder encoder(parts);
  std::vector<float> row(codes.dim());
  std::vector<double> errors;
  const size_t step = std::max<size_t>(1, codes.rows() / kSampledRows);
  size_t list = 0;
  for (size_t at = 0; at < codes.rows(); at += step) {
    while (at >= parts.lists.offsets[list + 1]) {
      ++list;
    }
    const uint8_t* code = codes.codes() + at * codes.stride();
    const float scale = codes.terms_of(static_cast<uint32_t>(at)).scale;
    for (size_t d = 0; d < row.size(); ++d) {
      row[d] = codes.mean()[d] + scale * static_cast<float>(int{code[d]} - 128);
    }
    errors.push_back(encoder.Encode(row.data(), list));
  }
  const auto usual =
      errors.begin() + static_cast<std::ptrdiff_t>((errors.size() - 1) * kOfThousand / 1000);
  std::nth_element(errors.begin(), usual, errors.end());
  return *usual;
}

}  // namespace

std::shared_ptr<IvfListedRows::Store> IvfListedRows::StoreFor(const RowCodes& like,
                                                              const IvfListedRows* before,
                                                              size_t begin, size_t end) {
  constexpr size_t kLeast = 1024;
  if (before != nullptr && end <= before->store_->rows.size()) {
    size_t expected = begin;
    if (before->store_->used.compare_exchange_strong(expected, end)) {
      return before->store_;
    }
  }
  auto store = std::make_shared<Store>(like, std::max(2 * end, kLeast));
  if (before != nullptr) {
    store->codes.Copy(before->store_->codes, begin);
    std::copy_n(before->store_->rows.begin(), begin, store->rows.begin());
  }
  store->used.store(end);
  return store;
}

Result<std::vector<uint32_t>> IvfListedRows::ChooseLists(const IvfParts& parts,
                                                         std::span<const float* const> rows,
                                                         const CallControl& control) {
  constexpr size_t kTogether = 64;
  const size_t dim = parts.codes->dim();
  ListChooser::Scratch scratch;
  std::vector<float> matrix;
  ChosenLists chosen;
  std::vector<uint32_t> lists(rows.size(), kNoList);
  for (size_t begin = 0; begin < rows.size(); begin += kTogether) {
    const size_t end = std::min(begin + kTogether, rows.size());
    matrix.clear();
    for (size_t i = begin; i < end; ++i) {
      if (rows[i] != nullptr) {
        matrix.insert(matrix.end(), rows[i], rows[i] + dim);
      }
    }
    LEADLINE_RETURN_IF_ERROR(parts.chooser.Choose({matrix.data(), matrix.size() / dim, dim}, 1,
                                                  nullptr, control, &scratch, &chosen));
    size_t next = 0;
    for (size_t i = begin; i < end; ++i) {
      lists[i] = rows[i] == nullptr ? kNoList : chosen.nearest[next++];
    }
  }
  return lists;
}

void IvfListedRows::AddToLists(const IvfParts& parts, std::span<const float* const> rows,
                               std::span<const uint32_t> lists, size_t begin) {
  std::vector<std::shared_ptr<List>> grown(lists_.size());
  std::optional<BlockEncoder> encoder;
  if (parts.blocks() != nullptr) {
    encoder.emplace(parts);
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    const uint32_t l = lists[i];
    if (l == kNoList) {
      continue;
    }
    if (grown[l] == nullptr) {
      grown[l] =
          lists_[l] == nullptr ? std::make_shared<List>() : std::make_shared<List>(*lists_[l]);
    }
    const auto number = static_cast<uint32_t>(begin + i);
    if (encoder.has_value() && encoder->Encode(rows[i], l) <= most_error_) {
      encoder->AddTo(grown[l].get(), number);
    } else {
      grown[l]->plain.push_back(number);
    }
  }
  for (size_t l = 0; l < grown.size(); ++l) {
    if (grown[l] != nullptr) {
      lists_[l] = std::move(grown[l]);
    }
  }
}

Result<std::shared_ptr<const IvfListedRows>> IvfListedRows::Make(const IvfParts& parts,
                                                                 const IvfListedRows* before,
                                                                 std::span<const float* const> rows,
                                                                 const CallControl& control) {
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<uint32_t> lists, ChooseLists(parts, rows, control));
  auto made = std::make_shared<IvfListedRows>();
  size_t begin = 0;
  if (before != nullptr) {
    begin = before->size_;
    made->most_error_ = before->most_error_;
    made->lists_ = before->lists_;
  } else {
    made->lists_.resize(parts.chooser.lists());
    made->most_error_ = parts.blocks() != nullptr ? UsualError(parts) : 0;
  }
  made->size_ = begin + rows.size();
  made->AddToLists(parts, rows, lists, begin);
  made->store_ = StoreFor(*parts.codes, before, begin, made->size_);
  for (size_t i = 0; i < rows.size(); ++i) {
    made->store_->rows[begin + i] = rows[i];
    if (rows[i] != nullptr) {
      made->store_->codes.Encode(begin + i, rows[i]);
    }
  }
  return std::shared_ptr<const IvfListedRows>(std::move(made));
}

size_t IvfListedRows::resident_bytes() const {
  size_t bytes = sizeof(*this) + store_->codes.resident_bytes() +
                 store_->rows.capacity() * sizeof(float*) + lists_.size() * sizeof(lists_[0]);
  for (const std::shared_ptr<const List>& list : lists_) {
    if (list != nullptr) {
      bytes += sizeof(List) + (list->plain.capacity() + list->coded.capacity()) * sizeof(uint32_t) +
               (list->adds.capacity() + list->scales.capacity()) * sizeof(float) +
               list->lines.capacity() * sizeof(List::Line);
    }
  }
  return bytes;
}

}  // namespace leadline::index
