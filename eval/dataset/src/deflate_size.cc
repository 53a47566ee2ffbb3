#include "deflate_size.h"

#include <algorithm>
#include <array>
#include <span>

namespace leadline::eval {
namespace {

constexpr size_t kMaxCodeBits = 15;
constexpr size_t kLiterals = 288;
constexpr size_t kDistances = 32;
constexpr size_t kCodeLengths = 19;
constexpr unsigned kEndOfBlock = 256;
constexpr unsigned kFirstLength = 257;

constexpr std::array<uint16_t, 29> kLengthBase = {3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
                                                  15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
                                                  67, 83, 99, 115, 131, 163, 195, 227, 258};
constexpr std::array<uint8_t, 29> kLengthBits = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
constexpr std::array<uint8_t, 30> kDistanceBits = {0, 0, 0,  0,  1,  1,  2,  2,  3,  3,
                                                   4, 4, 5,  5,  6,  6,  7,  7,  8,  8,
                                                   9, 9, 10, 10, 11, 11, 12, 12, 13, 13};
constexpr std::array<uint16_t, 30> kDistanceBase = {
    1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
    193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};

/// Bits of a stream, lowest first. Past the end it gives zeros and remembers that.
class BitReader {
 public:
  explicit BitReader(std::string_view bytes) : bytes_(bytes) {}

  unsigned Bits(unsigned count) {
    while (held_ < count) {
      bits_ |= static_cast<uint32_t>(NextByte()) << held_;
      held_ += 8;
    }
    const unsigned value = bits_ & ((1U << count) - 1);
    bits_ >>= count;
    held_ -= count;
    return value;
  }

  /// Drops what is left of the byte.
  void Align() {
    bits_ = 0;
    held_ = 0;
  }

  void Skip(size_t count) {
    failed_ = failed_ || count > bytes_.size() - at_;
    at_ += std::min(count, bytes_.size() - at_);
  }

  [[nodiscard]] bool failed() const { return failed_; }

 private:
  uint8_t NextByte() {
    if (at_ == bytes_.size()) {
      failed_ = true;
      return 0;
    }
    return static_cast<uint8_t>(bytes_[at_++]);
  }

  std::string_view bytes_;
  size_t at_ = 0;
  uint32_t bits_ = 0;
  unsigned held_ = 0;
  bool failed_ = false;
};

/// A canonical Huffman code.
class Code {
 public:
  /// False where the lengths ask for more codes than there are.
  bool Build(std::span<const uint8_t> lengths) {
    counts_.fill(0);
    for (const uint8_t length : lengths) {
      ++counts_[length];
    }
    int left = 1;
    for (size_t bits = 1; bits <= kMaxCodeBits; ++bits) {
      left = left * 2 - counts_[bits];
      if (left < 0) {
        return false;
      }
    }
    std::array<uint16_t, kMaxCodeBits + 2> offsets{};
    for (size_t bits = 1; bits <= kMaxCodeBits; ++bits) {
      offsets[bits + 1] = static_cast<uint16_t>(offsets[bits] + counts_[bits]);
    }
    for (size_t symbol = 0; symbol < lengths.size(); ++symbol) {
      if (lengths[symbol] != 0) {
        symbols_[offsets[lengths[symbol]]++] = static_cast<uint16_t>(symbol);
      }
    }
    return true;
  }

  /// The next symbol; nullopt for bits that are no code.
  std::optional<unsigned> Next(BitReader* reader) const {
    int code = 0;
    int first = 0;
    int index = 0;
    for (size_t bits = 1; bits <= kMaxCodeBits; ++bits) {
      code |= static_cast<int>(reader->Bits(1));
      const int count = counts_[bits];
      if (code - count < first) {
        const int at = index + (code - first);
        return symbols_[static_cast<size_t>(at)];
      }
      index += count;
      first = (first + count) * 2;
      code *= 2;
    }
    return std::nullopt;
  }

 private:
  std::array<uint16_t, kMaxCodeBits + 1> counts_{};
  std::array<uint16_t, kLiterals> symbols_{};
};

/// Walks the blocks of a deflate stream and adds up what they unpack to.
class Walker {
 public:
  Walker(std::string_view deflate, uint64_t limit) : reader_(deflate), limit_(limit) {}

  std::optional<uint64_t> Run() {
    for (bool last = false; !last;) {
      last = reader_.Bits(1) == 1;
      if (!Block(reader_.Bits(2)) || reader_.failed() || total_ > limit_) {
        return std::nullopt;
      }
    }
    return total_;
  }

 private:
  bool Block(unsigned kind) {
    switch (kind) {
      case 0:
        return Stored();
      case 1:
        return FixedCodes() && Coded();
      case 2:
        return DynamicCodes() && Coded();
      default:
        return false;
    }
  }

  bool Stored() {
    reader_.Align();
    const unsigned size = reader_.Bits(16);
    const unsigned complement = reader_.Bits(16);
    reader_.Skip(size);
    total_ += size;
    return size == (~complement & 0xFFFFU);
  }

  bool FixedCodes() {
    std::array<uint8_t, kLiterals> lengths{};
    for (size_t i = 0; i < lengths.size(); ++i) {
      lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    }
    std::array<uint8_t, kDistanceBase.size()> distances{};
    distances.fill(5);
    return literals_.Build(lengths) && distances_.Build(distances);
  }

  bool DynamicCodes() {
    static constexpr std::array<uint8_t, kCodeLengths> kOrder = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                                 11, 4,  12, 3, 13, 2, 14, 1, 15};
    const size_t literals = 257 + reader_.Bits(5);
    const size_t distances = 1 + reader_.Bits(5);
    const size_t lengths = 4 + reader_.Bits(4);
    std::array<uint8_t, kCodeLengths> code_lengths{};
    for (size_t i = 0; i < lengths; ++i) {
      code_lengths[kOrder[i]] = static_cast<uint8_t>(reader_.Bits(3));
    }
    Code code;
    std::array<uint8_t, kLiterals + kDistances> all{};
    if (literals > kLiterals || !code.Build(code_lengths) ||
        !ReadLengths(code, std::span(all).first(literals + distances))) {
      return false;
    }
    return literals_.Build(std::span(all).first(literals)) &&
           distances_.Build(std::span(all).subspan(literals, distances));
  }

  /// Code lengths, themselves coded, with runs.
  bool ReadLengths(const Code& code, std::span<uint8_t> lengths) {
    for (size_t at = 0; at < lengths.size();) {
      const std::optional<unsigned> symbol = code.Next(&reader_);
      if (!symbol || reader_.failed()) {
        return false;
      }
      if (*symbol < 16) {
        lengths[at++] = static_cast<uint8_t>(*symbol);
        continue;
      }
      if (*symbol == 16 && at == 0) {
        return false;
      }
      const uint8_t value = *symbol == 16 ? lengths[at - 1] : uint8_t{0};
      const size_t run = *symbol == 16   ? 3 + reader_.Bits(2)
                         : *symbol == 17 ? 3 + reader_.Bits(3)
                                         : 11 + reader_.Bits(7);
      if (run > lengths.size() - at) {
        return false;
      }
      std::fill_n(lengths.begin() + static_cast<std::ptrdiff_t>(at), run, value);
      at += run;
    }
    return true;
  }

  bool Coded() {
    while (total_ <= limit_ && !reader_.failed()) {
      const std::optional<unsigned> symbol = literals_.Next(&reader_);
      if (!symbol) {
        return false;
      }
      if (*symbol == kEndOfBlock) {
        return true;
      }
      if (*symbol < kEndOfBlock) {
        ++total_;
      } else if (!Copy(*symbol - kFirstLength)) {
        return false;
      }
    }
    return false;
  }

  /// Adds a copy of earlier bytes.
  bool Copy(unsigned length_code) {
    if (length_code >= kLengthBase.size()) {
      return false;
    }
    const uint64_t length = kLengthBase[length_code] + reader_.Bits(kLengthBits[length_code]);
    const std::optional<unsigned> code = distances_.Next(&reader_);
    if (!code || *code >= kDistanceBase.size()) {
      return false;
    }
    const uint64_t distance = kDistanceBase[*code] + reader_.Bits(kDistanceBits[*code]);
    if (distance > total_) {
      return false;
    }
    total_ += length;
    return true;
  }

  BitReader reader_;
  const uint64_t limit_;
  uint64_t total_ = 0;
  Code literals_;
  Code distances_;
};

}  // namespace

std::optional<uint64_t> InflatedBytes(std::string_view stream, uint64_t limit) {
  constexpr size_t kHeaderBytes = 2;
  constexpr unsigned kDeflate = 8;
  constexpr unsigned kDictionary = 0x20;
  if (stream.size() < kHeaderBytes) {
    return std::nullopt;
  }
  const unsigned method = static_cast<uint8_t>(stream[0]);
  const unsigned flags = static_cast<uint8_t>(stream[1]);
  if ((method & 0xFU) != kDeflate || (flags & kDictionary) != 0 ||
      (method * 256 + flags) % 31 != 0) {
    return std::nullopt;
  }
  return Walker(stream.substr(kHeaderBytes), limit).Run();
}

}  // namespace leadline::eval
