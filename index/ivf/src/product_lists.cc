#include "product_lists.h"

#include <algorithm>
#include <cstring>

namespace leadline::index {
namespace {

using simd::kBlockRows;
using simd::kCodeBytes;

struct ProductOffsets {
  size_t bases = 0;
  size_t codewords = 0;
  size_t adds = 0;
  size_t blocks = 0;
  size_t end = 0;
};

ProductOffsets ProductOffsetsOf(PqShape shape, size_t nlist, size_t blocks, Metric metric) {
  ProductOffsets offsets;
  offsets.bases = sizeof(ProductListsHeader);
  offsets.codewords = RoundUpToLine(offsets.bases + nlist * shape.dim * sizeof(float));
  offsets.adds = RoundUpToLine(offsets.codewords + shape.codeword_floats() * sizeof(float));
  const size_t adds = metric == Metric::kL2 ? blocks * kBlockRows * sizeof(float) : 0;
  offsets.blocks = RoundUpToLine(offsets.adds + adds);
  offsets.end = offsets.blocks + blocks * shape.block_bytes() + kCodeBytes;
  return offsets;
}

Status BadProducts(const std::string& what) {
  return DataLossError("IVF product codes are damaged: " + what);
}

}  // namespace

ListEncoder::ListEncoder(PqShape shape, Metric metric, const float* codewords)
    : shape_(shape),
      metric_(metric),
      codewords_(codewords),
      residual_(shape.dim),
      decoded_(shape.dim),
      codes_(shape.parts()) {}

void ListEncoder::Encode(const float* row, const float* base) {
  for (size_t d = 0; d < shape_.dim; ++d) {
    residual_[d] = row[d] - base[d];
  }
  EncodeParts(shape_, codewords_, residual_.data(), codes_.data(), decoded_.data());
}

void ListEncoder::Place(const float* base, size_t r, uint8_t* block, float* add) const {
  PlaceInBlock(shape_, codes_.data(), r, block);
  if (metric_ == Metric::kL2) {
    double term = 0;
    for (size_t d = 0; d < shape_.dim; ++d) {
      term += static_cast<double>(decoded_[d]) * (2.0 * base[d] + decoded_[d]);
    }
    *add = static_cast<float>(term);
  }
}

double ListEncoder::SquaredError() const {
  double sum = 0;
  for (size_t d = 0; d < shape_.dim; ++d) {
    const double lost = static_cast<double>(residual_[d]) - decoded_[d];
    sum += lost * lost;
  }
  return sum;
}

Result<ProductLists> ProductLists::Open(std::string_view bytes, const IvfView& lists,
                                        Metric metric) {
  ProductListsHeader header{};
  if (bytes.size() < sizeof header) {
    return BadProducts("shorter than the header: bytes=" + std::to_string(bytes.size()));
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kCodeBytes != 0) {
    return InvalidArgumentError("IVF product codes are not aligned to 64 bytes");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.version != kIvfProductsVersion) {
    return UnimplementedError(
        "IVF product codes of another version: value=" + std::to_string(header.version) +
        " limit=" + std::to_string(kIvfProductsVersion));
  }
  if (header.metric != static_cast<uint32_t>(metric) || header.rows != lists.row_ids.size() ||
      header.dim != lists.centroids.dim || header.nlist != lists.centroids.rows) {
    return BadProducts("shape differs from the lists: rows=" + std::to_string(header.rows) +
                       " dim=" + std::to_string(header.dim) +
                       " nlist=" + std::to_string(header.nlist));
  }
  const bool zeros = std::all_of(std::begin(header.reserved), std::end(header.reserved),
                                 [](uint32_t word) { return word == 0; });
  if (header.width < 1 || header.width > kMaxPqWidth || !zeros) {
    return BadProducts("width=" + std::to_string(header.width));
  }
  ProductLists products;
  products.shape = {header.dim, header.width};
  ListBlocks& blocks = products.blocks;
  blocks.first_block = FirstBlocks(lists);
  blocks.lines = products.shape.lines();
  const size_t count = blocks.first_block.back();
  const ProductOffsets offsets = ProductOffsetsOf(products.shape, header.nlist, count, metric);
  if (bytes.size() != offsets.end) {
    return BadProducts("bytes=" + std::to_string(bytes.size()) +
                       " expected=" + std::to_string(offsets.end));
  }
  blocks.bases = {reinterpret_cast<const float*>(bytes.data() + offsets.bases), header.nlist,
                  header.dim};
  products.codewords = reinterpret_cast<const float*>(bytes.data() + offsets.codewords);
  blocks.codes = reinterpret_cast<const uint8_t*>(bytes.data() + offsets.blocks);
  bool finite = AreMeans(blocks.bases.data, size_t{header.nlist} * header.dim) &&
                AllFinite(products.codewords, products.shape.codeword_floats());
  if (metric == Metric::kL2) {
    blocks.adds = reinterpret_cast<const float*>(bytes.data() + offsets.adds);
    finite = finite && AllFinite(blocks.adds, count * kBlockRows);
  }
  if (!finite) {
    return BadProducts("a number is not finite or too large");
  }
  return products;
}

Result<std::string> EncodeProductLists(MatrixView vectors, const IvfView& lists, Metric metric,
                                       size_t width, uint64_t seed, Executor* executor,
                                       const CallControl& control) {
  const PqShape shape{vectors.dim, width};
  const size_t nlist = lists.centroids.rows;
  const std::vector<float> means = MeansOfLists(vectors, lists, executor);
  std::vector<uint32_t> list_of(vectors.rows);
  for (uint32_t l = 0; l < nlist; ++l) {
    for (size_t i = lists.offsets[l]; i < lists.offsets[l + 1]; ++i) {
      list_of[lists.row_ids[i]] = l;
    }
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::vector<float> codewords,
                            TrainCodewords(vectors, {means.data(), nlist, vectors.dim}, list_of,
                                           shape, seed, executor, control));
  const std::vector<uint32_t> first_block = FirstBlocks(lists);
  const ProductOffsets offsets = ProductOffsetsOf(shape, nlist, first_block.back(), metric);
  std::string bytes(offsets.end, '\0');
  ProductListsHeader header{};
  header.version = kIvfProductsVersion;
  header.metric = static_cast<uint32_t>(metric);
  header.rows = static_cast<uint32_t>(vectors.rows);
  header.dim = static_cast<uint32_t>(vectors.dim);
  header.nlist = static_cast<uint32_t>(nlist);
  header.width = static_cast<uint32_t>(width);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + offsets.bases, means.data(), means.size() * sizeof(float));
  std::memcpy(bytes.data() + offsets.codewords, codewords.data(), codewords.size() * sizeof(float));
  ParallelFor(executor, nlist, [&](size_t l) {
    if (!control.Check().ok()) {
      return;
    }
    ListEncoder encoder(shape, metric, codewords.data());
    for (size_t i = lists.offsets[l]; i < lists.offsets[l + 1]; ++i) {
      const size_t at = i - lists.offsets[l];
      const size_t block = first_block[l] + at / kBlockRows;
      auto* code =
          reinterpret_cast<uint8_t*>(bytes.data()) + offsets.blocks + block * shape.block_bytes();
      auto* add = reinterpret_cast<float*>(bytes.data() + offsets.adds) + block * kBlockRows;
      const float* base = means.data() + l * vectors.dim;
      encoder.Encode(vectors.row(lists.row_ids[i]).data(), base);
      encoder.Place(base, at % kBlockRows, code, add + at % kBlockRows);
    }
  });
  LEADLINE_RETURN_IF_ERROR(control.Check());
  return bytes;
}

}  // namespace leadline::index
