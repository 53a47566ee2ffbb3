// Kernels on codes of all SIMD levels on any bytes: integers and selections must equal those of the
// scalar level, sums of bf16 values must stay within their bound. The first bytes choose kernel and
// shapes, the rest are repeated as contents.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include "leadline/simd/level.h"

namespace leadline::simd {
namespace {

/// Takes bytes from the input, over again from its beginning when it ends.
class Input {
 public:
  explicit Input(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  uint8_t Byte() {
    const uint8_t byte = bytes_[at_];
    at_ = (at_ + 1) % bytes_.size();
    return byte;
  }

  /// From `least` to `most`, at most 255 apart.
  size_t Number(size_t least, size_t most) { return least + Byte() % (most - least + 1); }

  uint32_t Word() {
    uint32_t word = 0;
    for (int i = 0; i < 4; ++i) {
      word = word << 8U | Byte();
    }
    return word;
  }

  /// Below 2 in magnitude, denormal ones too.
  float Small() { return std::bit_cast<float>(Word() & ~0x40000000U); }

 private:
  std::span<const uint8_t> bytes_;
  size_t at_ = 0;
};

/// Elements on a 64-byte boundary in memory of just their size and `spare_bytes`.
template <class T>
class Array {
 public:
  Array(size_t size, size_t spare_bytes)
      : size_(size),
        data_(
            static_cast<T*>(::operator new(size * sizeof(T) + spare_bytes, std::align_val_t(64)))) {
    for (size_t i = 0; i < size * sizeof(T) + spare_bytes; ++i) {
      reinterpret_cast<uint8_t*>(data_.get())[i] = 0xA5;
    }
  }

  T* data() { return data_.get(); }

  T& operator[](size_t i) { return data_.get()[i]; }

  size_t size() const { return size_; }

  T* begin() { return data(); }

  T* end() { return data() + size_; }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };

  size_t size_;
  std::unique_ptr<T, Free> data_;
};

constexpr size_t kReadable = 64;  // bytes behind codes

template <class T>
Array<T> Filled(Input* input, size_t size, size_t spare_bytes = 0) {
  Array<T> array(size, spare_bytes);
  for (T& value : array) {
    value = static_cast<T>(input->Byte());
  }
  return array;
}

void Require(bool condition) {
  if (!condition) {
    std::abort();
  }
}

template <class T>
void RequireEqual(Array<T>* a, Array<T>* b, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Require((*a)[i] == (*b)[i]);
  }
}

/// Calls check(kernels of a level, kernels of the scalar one) for each other level.
template <class Check>
void ForLevels(Check check) {
  const std::span<const Level* const> levels = AvailableLevels();
  for (const Level* level : levels.subspan(1)) {
    check(level->codes, levels.front()->codes);
  }
}

void CheckGather(Input* input, bool nibbles) {
  const size_t n = kCodeBytes * input->Number(1, 20);
  const size_t stride = n + 16 * input->Number(0, 4);
  const size_t rows = input->Number(1, 12);
  const size_t count = input->Number(0, 40);
  Array<int8_t> query = Filled<int8_t>(input, nibbles ? 2 * n : n);
  Array<uint8_t> codes = Filled<uint8_t>(input, (rows - 1) * stride + n, kReadable);
  Array<uint32_t> ids(count, 0);
  for (uint32_t& id : ids) {
    id = static_cast<uint32_t>(input->Byte() % rows);
  }
  Array<int32_t> got(count, 0);
  Array<int32_t> wanted(count, 0);
  ForLevels([&](const CodeKernels& level, const CodeKernels& scalar) {
    const auto gather = [&](const CodeKernels& kernels, int32_t* out) {
      (nibbles ? kernels.sq4_gather : kernels.sq8_gather)(query.data(), codes.data(), stride,
                                                          ids.data(), count, n, out);
    };
    gather(level, got.data());
    gather(scalar, wanted.data());
    RequireEqual(&got, &wanted, count);
  });
}

void CheckTableSums(Input* input) {
  const size_t lines = input->Number(0, 70);
  const size_t block_count = input->Number(0, 10);
  Array<uint8_t> tables = Filled<uint8_t>(input, lines * kPqPerLine * 16);
  Array<uint8_t> blocks = Filled<uint8_t>(input, block_count * lines * kCodeBytes, kReadable);
  Array<int32_t> got(block_count * kBlockRows, 0);
  Array<int32_t> wanted(block_count * kBlockRows, 0);
  ForLevels([&](const CodeKernels& level, const CodeKernels& scalar) {
    level.table_sums(tables.data(), blocks.data(), lines, block_count, nullptr, got.data());
    scalar.table_sums(tables.data(), blocks.data(), lines, block_count, blocks.data(),
                      wanted.data());
    RequireEqual(&got, &wanted, got.size());
  });
}

void CheckSelectNear(Input* input) {
  const size_t count = kBlockRows * input->Number(0, 20);
  const bool masked = input->Byte() % 2 != 0;
  const SumToDistance map = {input->Small(), static_cast<int32_t>(input->Word())};
  const float threshold = std::bit_cast<float>(input->Word());
  const uint32_t first = input->Word();
  Array<int32_t> sums(count, 0);
  Array<float> add(count, 0);
  Array<float> scale(count, 0);
  Array<uint64_t> allowed((count + 63) / 64, 0);
  for (size_t i = 0; i < count; ++i) {
    sums[i] = static_cast<int32_t>(input->Word());
    add[i] = std::bit_cast<float>(input->Word());
    add[i] = std::isnan(add[i]) ? HUGE_VALF : add[i];
    scale[i] = input->Small();
  }
  for (uint64_t& word : allowed) {
    word = uint64_t{input->Word()} << 32U | input->Word();
  }
  Array<float> got(count + 16, 0);
  Array<float> wanted(count + 16, 0);
  Array<uint32_t> got_positions(count + 16, 0);
  Array<uint32_t> wanted_positions(count + 16, 0);
  ForLevels([&](const CodeKernels& level, const CodeKernels& scalar) {
    const auto select = [&](const CodeKernels& kernels, Array<float>* distances,
                            Array<uint32_t>* positions) {
      return kernels.select_near(sums.data(), add.data(), scale.data(), count, map, threshold,
                                 masked ? allowed.data() : nullptr, first, distances->data(),
                                 positions->data());
    };
    const size_t kept = select(level, &got, &got_positions);
    Require(kept == select(scalar, &wanted, &wanted_positions));
    RequireEqual(&got, &wanted, kept);
    RequireEqual(&got_positions, &wanted_positions, kept);
  });
}

void CheckBf16Gather(Input* input) {
  const size_t n = 32 * input->Number(1, 20);
  const size_t stride = n + 8 * input->Number(0, 4);
  const size_t rows = input->Number(1, 12);
  const size_t count = input->Number(0, 20);
  Array<float> query(n, 0);
  for (float& value : query) {
    value = input->Small();
  }
  Array<uint16_t> table((rows - 1) * stride + n, kReadable);
  for (uint16_t& value : table) {
    value = static_cast<uint16_t>(std::bit_cast<uint32_t>(input->Small()) >> 16U);
  }
  Array<uint32_t> ids(count, 0);
  for (uint32_t& id : ids) {
    id = static_cast<uint32_t>(input->Byte() % rows);
  }
  Array<float> got(count, 0);
  Array<float> wanted(count, 0);
  ForLevels([&](const CodeKernels& level, const CodeKernels& scalar) {
    level.bf16_gather(query.data(), table.data(), stride, ids.data(), count, n, got.data());
    scalar.bf16_gather(query.data(), table.data(), stride, ids.data(), count, n, wanted.data());
    for (size_t i = 0; i < count; ++i) {
      double magnitude = 0;
      for (size_t j = 0; j < n; ++j) {
        const auto bits = static_cast<uint32_t>(table[ids[i] * stride + j]) << 16U;
        magnitude += std::abs(static_cast<double>(query[j]) * std::bit_cast<float>(bits));
      }
      const auto terms = static_cast<double>(n);
      const double bound = std::ldexp(magnitude * (terms + 8), -22) + std::ldexp(terms, -126);
      Require(std::abs(static_cast<double>(got[i]) - wanted[i]) <= bound);
    }
  });
}

void CheckSignTable(Input* input) {
  const size_t dim = 32 * input->Number(1, 40);
  Array<float> values(dim, 0);
  for (float& value : values) {
    value = input->Small();
  }
  Array<float> room(dim + dim / 4, 0);
  Array<uint8_t> got(dim / 4 * 16, 0);
  Array<uint8_t> wanted(dim / 4 * 16, 0);
  ForLevels([&](const CodeKernels& level, const CodeKernels& scalar) {
    float base[2] = {};
    float step[2] = {};
    level.sign_table(values.data(), dim, room.data(), got.data(), &base[0], &step[0]);
    scalar.sign_table(values.data(), dim, room.data(), wanted.data(), &base[1], &step[1]);
    RequireEqual(&got, &wanted, got.size());
    Require(base[0] == base[1] && step[0] == step[1]);
  });
}

void CheckRotation(Input* input) {
  const size_t dim = 32 * input->Number(1, 40);
  const size_t rounds = input->Number(1, 5);
  Array<float> signs(rounds * dim, 0);
  for (float& sign : signs) {
    sign = input->Byte() % 2 == 0 ? 1.0F : -1.0F;
  }
  Array<float> values(dim, 0);
  for (float& value : values) {
    value = input->Small();
  }
  Array<float> room(dim, 0);
  ForLevels([&](const CodeKernels& level, const CodeKernels& scalar) {
    Array<float> got(dim, 0);
    Array<float> wanted(dim, 0);
    std::copy_n(values.data(), dim, got.data());
    std::copy_n(values.data(), dim, wanted.data());
    level.rotate(signs.data(), dim, rounds, got.data(), room.data());
    scalar.rotate(signs.data(), dim, rounds, wanted.data(), room.data());
    RequireEqual(&got, &wanted, dim);
  });
}

}  // namespace
}  // namespace leadline::simd

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 8) {
    return 0;
  }
  leadline::simd::Input input({data, size});
  switch (input.Byte() % 7) {
    case 0:
      leadline::simd::CheckGather(&input, false);
      break;
    case 1:
      leadline::simd::CheckGather(&input, true);
      break;
    case 2:
      leadline::simd::CheckTableSums(&input);
      break;
    case 3:
      leadline::simd::CheckSelectNear(&input);
      break;
    case 4:
      leadline::simd::CheckBf16Gather(&input);
      break;
    case 5:
      leadline::simd::CheckSignTable(&input);
      break;
    default:
      leadline::simd::CheckRotation(&input);
      break;
  }
  return 0;
}
