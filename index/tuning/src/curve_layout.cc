#include "curve_layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <string>

#include "leadline/index/search_curve.h"

namespace leadline::index {
namespace {

Status Bad(const std::string& what) {
  return DataLossError("search curve is damaged: " + what);
}

Status CheckHeader(const CurveHeader& header, IndexKind kind, CodeType codes) {
  if (header.version != kCurveVersion) {
    return UnimplementedError(
        "search curve of another version: value=" + std::to_string(header.version) +
        " limit=" + std::to_string(kCurveVersion));
  }
  if (header.kind != static_cast<uint32_t>(kind) || header.codes != static_cast<uint32_t>(codes)) {
    return Bad("kind or codes differ from the segment: kind=" + std::to_string(header.kind) +
               " codes=" + std::to_string(header.codes));
  }
  const bool has_lists = header.lists >= 1 && header.lists <= kMaxNlist;
  if ((kind != IndexKind::kIvf && kind != IndexKind::kHnsw) ||
      (kind == IndexKind::kIvf ? !has_lists : header.lists != 0)) {
    return Bad("lists=" + std::to_string(header.lists));
  }
  if (header.samples < 1 || header.samples > kMaxTopK || header.neighbors != kHeldOutNeighbors ||
      header.points < 1 || header.points > kMaxCurvePoints) {
    return Bad("samples=" + std::to_string(header.samples) + " neighbors=" +
               std::to_string(header.neighbors) + " points=" + std::to_string(header.points));
  }
  if (!std::all_of(std::begin(header.reserved), std::end(header.reserved),
                   [](uint32_t word) { return word == 0; })) {
    return Bad("reserved bytes are not zero");
  }
  return {};
}

/// True where `point` may follow `before`.
bool IsSound(const StoredPoint& point, const StoredPoint& before, uint32_t most_effort) {
  // Written so that what is not a number fails too.
  return point.effort >= std::max(before.effort, 1U) && point.effort <= most_effort &&
         point.candidates >= before.candidates && point.candidates <= kMaxEfSearch &&
         point.rescore <= kMaxEfSearch && point.promised >= before.promised &&
         point.recall >= std::max(before.recall, point.promised) && point.recall <= 1 &&
         point.distances >= 0 && std::isfinite(point.distances);
}

}  // namespace

std::string EncodeCurve(const SearchCurve& curve) {
  CurveHeader header{};
  header.version = kCurveVersion;
  header.kind = static_cast<uint32_t>(curve.kind);
  header.codes = static_cast<uint32_t>(curve.codes);
  header.lists = curve.lists;
  header.samples = curve.samples;
  header.neighbors = kHeldOutNeighbors;
  header.points = static_cast<uint32_t>(curve.points.size());
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  for (const CurvePoint& point : curve.points) {
    const StoredPoint stored{point.effort, point.candidates, point.rescore,
                             point.recall, point.promised,   point.distances};
    bytes.append(reinterpret_cast<const char*>(&stored), sizeof stored);
  }
  return bytes;
}

Result<SearchCurve> DecodeCurve(std::string_view bytes, IndexKind kind, CodeType codes) {
  CurveHeader header{};
  if (bytes.size() < sizeof header) {
    return Bad("shorter than its header: bytes=" + std::to_string(bytes.size()));
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  LEADLINE_RETURN_IF_ERROR(CheckHeader(header, kind, codes));
  const size_t expected = sizeof header + header.points * sizeof(StoredPoint);
  if (bytes.size() != expected) {
    return Bad("bytes=" + std::to_string(bytes.size()) + " expected=" + std::to_string(expected));
  }
  SearchCurve curve{kind, codes, header.lists, header.samples, {}};
  const auto most_effort =
      kind == IndexKind::kIvf ? header.lists : static_cast<uint32_t>(kMaxEfSearch);
  StoredPoint before{};
  for (uint32_t i = 0; i < header.points; ++i) {
    StoredPoint point{};
    std::memcpy(&point, bytes.data() + sizeof header + i * sizeof point, sizeof point);
    if (!IsSound(point, before, most_effort)) {
      return Bad("point=" + std::to_string(i));
    }
    curve.points.push_back({point.effort, point.candidates, point.rescore, point.recall,
                            point.promised, point.distances});
    before = point;
  }
  return curve;
}

}  // namespace leadline::index
