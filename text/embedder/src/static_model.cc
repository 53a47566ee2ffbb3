#include "static_model.h"

#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "leadline/core/coding.h"
#include "leadline/core/hash.h"

extern "C" {
// Defined in static_model_data.S; C names, since the assembler knows no namespaces.
extern const char leadline_static_model_begin[];  // NOLINT(readability-identifier-naming)
extern const char leadline_static_model_end[];    // NOLINT(readability-identifier-naming)
}

namespace leadline::text {
namespace {

constexpr std::string_view kMagic = "LLSTATIC";
constexpr uint32_t kFormatVersion = 1;
constexpr uint32_t kBits = 4;
constexpr int kCodeOffset = 8;  // nibble 8 is weight 0
constexpr size_t kHeaderBytes = 64;
constexpr size_t kChecksumAt = 40;
constexpr size_t kAlignment = 64;
constexpr uint32_t kMaxDim = 4096;
constexpr uint32_t kMaxVocabulary = uint32_t{1} << 20;
constexpr uint64_t kMaxVocabularyBytes = uint64_t{1} << 26;
// Components handled at once: long enough to fill vector registers, a divisor of every valid dim
// / 2.
constexpr size_t kBlock = 16;

struct Header {
  uint32_t dim = 0;
  uint32_t vocabulary = 0;
  uint64_t vocabulary_bytes = 0;
  uint32_t revision = 0;
  uint64_t checksum = 0;
};

Status Damaged(std::string_view what, uint64_t value, std::string_view limit) {
  return DataLossError("static model is damaged: " + std::string(what) +
                       " value=" + std::to_string(value) + " limit=" + std::string(limit));
}

Result<Header> ParseHeader(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes) {
    return Damaged("file size", bytes.size(), "64 at least");
  }
  if (bytes.substr(0, kMagic.size()) != kMagic) {
    return DataLossError("static model is damaged: wrong magic");
  }
  const uint32_t version = DecodeFixed32(bytes.data() + 8);
  if (version != kFormatVersion) {
    return UnimplementedError(
        "static model has an unknown format: version=" + std::to_string(version) + " limit=1");
  }
  Header header;
  header.dim = DecodeFixed32(bytes.data() + 12);
  header.vocabulary = DecodeFixed32(bytes.data() + 16);
  const uint32_t bits = DecodeFixed32(bytes.data() + 20);
  header.vocabulary_bytes = DecodeFixed64(bytes.data() + 24);
  header.revision = DecodeFixed32(bytes.data() + 32);
  header.checksum = DecodeFixed64(bytes.data() + kChecksumAt);
  if (header.dim == 0 || header.dim > kMaxDim || header.dim % (2 * kBlock) != 0) {
    return Damaged("dim", header.dim, "a multiple of 32 up to 4096");
  }
  if (header.vocabulary == 0 || header.vocabulary > kMaxVocabulary) {
    return Damaged("vocabulary size", header.vocabulary, "1..1048576");
  }
  if (header.vocabulary_bytes > kMaxVocabularyBytes) {
    return Damaged("vocabulary bytes", header.vocabulary_bytes, "67108864");
  }
  if (bits != kBits) {
    return Damaged("bits", bits, "4");
  }
  return header;
}

// Takes sections off the file one after the other, each behind zero padding.
class SectionReader {
 public:
  explicit SectionReader(std::string_view bytes) : bytes_(bytes), at_(kHeaderBytes) {}

  Result<std::string_view> Take(uint64_t size) {
    const size_t start = (at_ + kAlignment - 1) / kAlignment * kAlignment;
    if (start > bytes_.size() || size > bytes_.size() - start) {
      return Damaged("file size", bytes_.size(), std::to_string(start + size) + " at least");
    }
    if (bytes_.substr(at_, start - at_).find_first_not_of('\0') != std::string_view::npos) {
      return Damaged("padding at", at_, "zero");
    }
    at_ = start + static_cast<size_t>(size);
    return bytes_.substr(start, static_cast<size_t>(size));
  }

  Status ExpectEnd() const {
    return at_ == bytes_.size() ? OkStatus()
                                : Damaged("file size", bytes_.size(), std::to_string(at_));
  }

 private:
  std::string_view bytes_;
  size_t at_;
};

Result<std::vector<std::string_view>> CutStrings(std::string_view starts,
                                                 std::string_view strings) {
  const size_t count = starts.size() / sizeof(uint32_t) - 1;
  std::vector<std::string_view> out;
  out.reserve(count);
  uint32_t begin = DecodeFixed32(starts.data());
  if (begin != 0) {
    return Damaged("first string start", begin, "0");
  }
  for (size_t i = 1; i <= count; ++i) {
    const uint32_t end = DecodeFixed32(starts.data() + i * sizeof(uint32_t));
    if (end < begin || end > strings.size()) {
      return Damaged("string start", end,
                     std::to_string(begin) + ".." + std::to_string(strings.size()));
    }
    out.push_back(strings.substr(begin, end - begin));
    begin = end;
  }
  if (begin != strings.size()) {
    return Damaged("last string end", begin, std::to_string(strings.size()));
  }
  return out;
}

// IEEE binary16 to float; infinities and NaN come out as such.
float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16U;
  const uint32_t exponent = (half >> 10U) & 0x1FU;
  const uint32_t fraction = half & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(fraction), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t widened = exponent == 0x1FU ? 0xFFU : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (widened << 23U) | (fraction << 13U));
}

Result<std::vector<float>> ReadScales(std::string_view halves) {
  std::vector<float> scales(halves.size() / 2);
  for (size_t i = 0; i < scales.size(); ++i) {
    const auto low = static_cast<uint8_t>(halves[2 * i]);
    const auto high = static_cast<uint8_t>(halves[2 * i + 1]);
    scales[i] = HalfToFloat(static_cast<uint16_t>(low | (high << 8U)));
    if (!std::isfinite(scales[i]) || scales[i] < 0) {
      return Damaged("scale of row", i, "finite, not negative");
    }
  }
  return scales;
}

}  // namespace

Result<StaticModel> StaticModel::Parse(std::string_view bytes) {
  LEADLINE_ASSIGN_OR_RETURN(const Header header, ParseHeader(bytes));
  SectionReader sections(bytes);
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view starts,
                            sections.Take(sizeof(uint32_t) * (uint64_t{header.vocabulary} + 1)));
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view strings, sections.Take(header.vocabulary_bytes));
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view halves,
                            sections.Take(2 * uint64_t{header.vocabulary}));
  LEADLINE_ASSIGN_OR_RETURN(const std::string_view rows,
                            sections.Take(uint64_t{header.vocabulary} * (header.dim / 2)));
  LEADLINE_RETURN_IF_ERROR(sections.ExpectEnd());
  Hasher hasher;
  hasher.Update(bytes.substr(0, kChecksumAt));
  hasher.Update(bytes.substr(kChecksumAt + sizeof(uint64_t)));
  if (hasher.Digest() != header.checksum) {
    return DataLossError("static model is damaged: wrong checksum");
  }
  StaticModel model;
  model.dim_ = header.dim;
  model.revision_ = header.revision;
  model.checksum_ = header.checksum;
  LEADLINE_ASSIGN_OR_RETURN(model.vocabulary_, CutStrings(starts, strings));
  LEADLINE_ASSIGN_OR_RETURN(model.scales_, ReadScales(halves));
  model.rows_ = reinterpret_cast<const uint8_t*>(rows.data());
  return model;
}

void StaticModel::Accumulate(uint32_t id, std::span<float> sums) const {
  const float scale = scales_[id];
  const size_t half = dim_ / 2;
  // Without the qualifiers the bytes might alias the sums, and nothing would be vectorised.
  const uint8_t* __restrict row = rows_ + id * half;
  float* __restrict low = sums.data();
  float* __restrict high = sums.data() + half;
  for (size_t block = 0; block < half; block += kBlock) {
    for (size_t j = 0; j < kBlock; ++j) {
      const int code = row[block + j];
      low[block + j] += scale * static_cast<float>((code & 0x0F) - kCodeOffset);
      high[block + j] += scale * static_cast<float>((code >> 4) - kCodeOffset);
    }
  }
}

std::string_view EmbeddedModelBytes() {
  return {leadline_static_model_begin,
          static_cast<size_t>(leadline_static_model_end - leadline_static_model_begin)};
}

}  // namespace leadline::text
