#include "bit_lists.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

namespace leadline::index {
namespace {

using simd::kBlockRows;
using simd::kCodeBytes;

struct BitOffsets {
  size_t bases = 0;
  size_t centre = 0;
  size_t signs = 0;
  size_t adds = 0;
  size_t scales = 0;
  size_t codes = 0;
  size_t end = 0;
};

BitOffsets BitOffsetsOf(size_t dim, size_t rounds, size_t nlist, size_t blocks) {
  BitOffsets offsets;
  offsets.bases = sizeof(BitListsHeader);
  offsets.centre = RoundUpToLine(offsets.bases + nlist * dim * sizeof(float));
  offsets.signs = RoundUpToLine(offsets.centre + dim * sizeof(float));
  offsets.adds = RoundUpToLine(offsets.signs + RotationBytes(dim, rounds));
  offsets.scales = offsets.adds + blocks * kBlockRows * sizeof(float);
  offsets.codes = offsets.scales + blocks * kBlockRows * sizeof(float);
  offsets.end = offsets.codes + blocks * SignShape(dim).block_bytes() + kCodeBytes;
  return offsets;
}

Status BadBits(const std::string& what) {
  return DataLossError("IVF bit codes are damaged: " + what);
}

Status CheckBitsHeader(const BitListsHeader& header, const IvfView& lists, Metric metric) {
  if (header.version != kIvfBitsVersion) {
    return UnimplementedError(
        "IVF bit codes of another version: value=" + std::to_string(header.version) +
        " limit=" + std::to_string(kIvfBitsVersion));
  }
  if (header.metric != static_cast<uint32_t>(metric) || header.rows != lists.row_ids.size() ||
      header.dim != lists.centroids.dim || header.nlist != lists.centroids.rows) {
    return BadBits("shape differs from the lists: rows=" + std::to_string(header.rows) +
                   " dim=" + std::to_string(header.dim) + " nlist=" + std::to_string(header.nlist));
  }
  const bool zeros = std::all_of(std::begin(header.reserved), std::end(header.reserved),
                                 [](uint32_t word) { return word == 0; });
  if (header.rounds < 1 || header.rounds > kMaxRotationRounds || !zeros) {
    return BadBits("rounds=" + std::to_string(header.rounds));
  }
  return {};
}

/// The mean of all rows, by those of their lists.
std::vector<float> MeanOf(const std::vector<float>& means, const IvfView& lists) {
  const size_t dim = lists.centroids.dim;
  std::vector<double> sum(dim);
  for (size_t l = 0; l < lists.centroids.rows; ++l) {
    const auto rows = static_cast<double>(lists.offsets[l + 1] - lists.offsets[l]);
    for (size_t d = 0; d < dim; ++d) {
      sum[d] += rows * double{means[l * dim + d]};
    }
  }
  std::vector<float> mean(dim);
  for (size_t d = 0; d < dim; ++d) {
    mean[d] = static_cast<float>(sum[d] / static_cast<double>(lists.row_ids.size()));
  }
  return mean;
}

}  // namespace

Result<BitLists> BitLists::Open(std::string_view bytes, const IvfView& lists, Metric metric) {
  BitListsHeader header{};
  if (bytes.size() < sizeof header) {
    return BadBits("shorter than the header: bytes=" + std::to_string(bytes.size()));
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kCodeBytes != 0) {
    return InvalidArgumentError("IVF bit codes are not aligned to 64 bytes");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  LEADLINE_RETURN_IF_ERROR(CheckBitsHeader(header, lists, metric));
  BitLists opened;
  ListBlocks& blocks = opened.blocks;
  blocks.first_block = FirstBlocks(lists);
  blocks.lines = SignShape(header.dim).lines();
  const size_t rows = blocks.first_block.back() * kBlockRows;
  const BitOffsets offsets =
      BitOffsetsOf(header.dim, header.rounds, header.nlist, blocks.first_block.back());
  if (bytes.size() != offsets.end) {
    return BadBits("bytes=" + std::to_string(bytes.size()) +
                   " expected=" + std::to_string(offsets.end));
  }
  const auto floats = [&bytes](size_t offset) {
    return reinterpret_cast<const float*>(bytes.data() + offset);
  };
  blocks.bases = {floats(offsets.bases), header.nlist, header.dim};
  blocks.adds = floats(offsets.adds);
  blocks.scales = floats(offsets.scales);
  blocks.codes = reinterpret_cast<const uint8_t*>(bytes.data() + offsets.codes);
  const float* centre = floats(offsets.centre);
  const bool sound =
      AreMeans(blocks.bases.data, size_t{header.nlist} * header.dim) &&
      AreMeans(centre, header.dim) && AllFinite(blocks.adds, rows) &&
      AllFinite(blocks.scales, rows) &&
      std::all_of(blocks.scales, blocks.scales + rows, [](float scale) { return scale >= 0; });
  if (!sound) {
    return BadBits("a number is not finite or too large, or a scale is negative");
  }
  opened.rotation =
      BitRotation(centre, header.dim,
                  reinterpret_cast<const uint8_t*>(bytes.data() + offsets.signs), header.rounds);
  return opened;
}

Result<std::string> EncodeBitLists(MatrixView vectors, const IvfView& lists, Metric metric,
                                   uint64_t seed, Executor* executor, const CallControl& control) {
  const size_t nlist = lists.centroids.rows;
  const PqShape shape = SignShape(vectors.dim);
  const std::vector<float> means = MeansOfLists(vectors, lists, executor);
  const std::vector<float> centre = MeanOf(means, lists);
  const std::vector<uint8_t> signs = DrawRotation(vectors.dim, seed);
  const BitRotation rotation(centre.data(), vectors.dim, signs.data(), kRotationRounds);
  const std::vector<uint32_t> first_block = FirstBlocks(lists);
  const BitOffsets offsets = BitOffsetsOf(vectors.dim, kRotationRounds, nlist, first_block.back());
  std::string bytes(offsets.end, '\0');
  BitListsHeader header{};
  header.version = kIvfBitsVersion;
  header.metric = static_cast<uint32_t>(metric);
  header.rows = static_cast<uint32_t>(vectors.rows);
  header.dim = static_cast<uint32_t>(vectors.dim);
  header.nlist = static_cast<uint32_t>(nlist);
  header.rounds = static_cast<uint32_t>(kRotationRounds);
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + offsets.bases, means.data(), means.size() * sizeof(float));
  std::memcpy(bytes.data() + offsets.centre, centre.data(), centre.size() * sizeof(float));
  std::memcpy(bytes.data() + offsets.signs, signs.data(), signs.size());
  auto* adds = reinterpret_cast<float*>(bytes.data() + offsets.adds);
  auto* scales = reinterpret_cast<float*>(bytes.data() + offsets.scales);
  auto* blocks = reinterpret_cast<uint8_t*>(bytes.data()) + offsets.codes;
  ParallelFor(executor, nlist, [&](size_t l) {
    if (!control.Check().ok() || lists.offsets[l] == lists.offsets[l + 1]) {
      return;
    }
    BitEncoder encoder(rotation, metric);
    encoder.SetBase(means.data() + l * vectors.dim);
    std::vector<uint8_t> codes(shape.parts());
    for (size_t i = lists.offsets[l]; i < lists.offsets[l + 1]; ++i) {
      PrefetchRow(vectors, lists, i + kRowsAhead, lists.offsets[l + 1]);
      const size_t in_list = i - lists.offsets[l];
      const size_t block = first_block[l] + in_list / kBlockRows;
      const size_t at = block * kBlockRows + in_list % kBlockRows;
      const BitTerms terms = encoder.Encode(vectors.row(lists.row_ids[i]).data(), codes.data());
      adds[at] = terms.add;
      scales[at] = terms.scale;
      PlaceInBlock(shape, codes.data(), in_list % kBlockRows, blocks + block * shape.block_bytes());
    }
  });
  LEADLINE_RETURN_IF_ERROR(control.Check());
  return bytes;
}

}  // namespace leadline::index
