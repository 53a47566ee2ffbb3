#include "low_water.h"

#include <string_view>
#include <utility>

#include "leadline/core/coding.h"
#include "leadline/core/hash.h"
#include "leadline/core/test_hooks.h"

namespace leadline::kv {
namespace {

constexpr std::string_view kMagic = "LLLOWWTR";
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kHashedBytes = 24;
constexpr size_t kFileBytes = 32;

Status Damaged(const std::string& path, std::string_view why) {
  return DataLossError("low-water file is damaged: path=" + path + ": " + std::string(why) +
                       "; `leadline repair --accept-loss` writes a new one");
}

}  // namespace

LowWater::LowWater(FileSystem* fs, const std::string& directory) : fs_(fs), directory_(directory) {}

std::string LowWater::Path(const std::string& directory) {
  return JoinPath(directory, "LOWWATER");
}

Status LowWater::Missing(const std::string& directory) {
  return DataLossError("low-water file is missing: path=" + Path(directory) +
                       "; `leadline repair --accept-loss` writes a new one");
}

Result<uint64_t> LowWater::Read(FileSystem* fs, const std::string& directory) {
  const std::string path = Path(directory);
  LEADLINE_ASSIGN_OR_RETURN(const std::string bytes, ReadFileToString(fs, path, 4096));
  if (bytes.size() < kFileBytes || std::string_view(bytes).substr(0, kMagic.size()) != kMagic) {
    return Damaged(path, "not a low-water file");
  }
  if (Hash64(bytes.data(), kHashedBytes) != DecodeFixed64(bytes.data() + kHashedBytes)) {
    return Damaged(path, "checksum differs");
  }
  const uint32_t version = DecodeFixed32(bytes.data() + kMagic.size());
  if (version != kFormatVersion) {
    return UnimplementedError("store was written by a newer version: path=" + path + " format=" +
                              std::to_string(version) + " limit=" + std::to_string(kFormatVersion));
  }
  return DecodeFixed64(bytes.data() + 16);
}

Status LowWater::Write(FileSystem* fs, const std::string& directory, uint64_t sequence) {
  std::string bytes(kMagic);
  PutFixed32(&bytes, kFormatVersion);
  PutFixed32(&bytes, 0);
  PutFixed64(&bytes, sequence);
  PutFixed64(&bytes, Hash64(bytes));
  return WriteFileAtomically(fs, Path(directory), bytes);
}

void LowWater::Adopt(uint64_t sequence) {
  MutexLock lock(&mutex_);
  sequence_ = sequence;
}

Status LowWater::Advance(uint64_t sequence) {
  MutexLock lock(&mutex_);
  if (sequence <= sequence_) {
    return {};
  }
  KillPoint("low-water:before-write");
  LEADLINE_RETURN_IF_ERROR(Write(fs_, directory_, sequence));
  KillPoint("low-water:after-write");
  sequence_ = sequence;
  return {};
}

uint64_t LowWater::sequence() const {
  MutexLock lock(&mutex_);
  return sequence_;
}

}  // namespace leadline::kv
