#include "ivf_layout.h"

#include <cmath>
#include <cstring>

namespace leadline::index {
namespace {

Status Bad(const std::string& what) {
  return DataLossError("IVF section is damaged: " + what);
}

Status CheckHeader(const IvfHeader& header, size_t rows, size_t dim) {
  if (header.version != kIvfLayoutVersion) {
    return UnimplementedError(
        "IVF section of another version: value=" + std::to_string(header.version) +
        " limit=" + std::to_string(kIvfLayoutVersion));
  }
  if (header.rows != rows || header.dim != dim) {
    return Bad("shape differs from the segment: rows=" + std::to_string(header.rows) +
               " dim=" + std::to_string(header.dim));
  }
  if (header.nlist < 1 || header.nlist > kMaxNlist || header.default_nprobe < 1 ||
      header.default_nprobe > header.nlist) {
    return Bad("nlist=" + std::to_string(header.nlist) +
               " default_nprobe=" + std::to_string(header.default_nprobe));
  }
  for (const uint32_t word : header.reserved) {
    if (word != 0) {
      return Bad("reserved bytes are not zero");
    }
  }
  return {};
}

/// Finite centroids, and each row in exactly one list.
Status CheckContents(const IvfView& view) {
  const size_t nlist = view.centroids.rows;
  const size_t rows = view.row_ids.size();
  for (size_t i = 0; i < nlist * view.centroids.dim; ++i) {
    if (!std::isfinite(view.centroids.data[i])) {
      return Bad("centroid value is not finite: list=" + std::to_string(i / view.centroids.dim));
    }
  }
  if (view.offsets[0] != 0 || view.offsets[nlist] != rows) {
    return Bad("offsets do not span the rows");
  }
  for (size_t l = 0; l < nlist; ++l) {
    if (view.offsets[l] > view.offsets[l + 1]) {
      return Bad("offsets run backwards: list=" + std::to_string(l));
    }
  }
  std::vector<bool> seen(rows, false);
  for (const uint32_t row : view.row_ids) {
    if (row >= rows || seen[row]) {
      return Bad("row out of range or listed twice: row=" + std::to_string(row));
    }
    seen[row] = true;
  }
  return {};
}

}  // namespace

std::string EncodeIvf(const std::vector<float>& centroids, size_t dim,
                      const std::vector<uint32_t>& assignment, uint32_t default_nprobe) {
  const size_t nlist = centroids.size() / dim;
  IvfHeader header{};
  header.version = kIvfLayoutVersion;
  header.nlist = static_cast<uint32_t>(nlist);
  header.rows = static_cast<uint32_t>(assignment.size());
  header.dim = static_cast<uint32_t>(dim);
  header.default_nprobe = default_nprobe;
  std::vector<uint32_t> offsets(nlist + 1, 0);
  for (const uint32_t list : assignment) {
    ++offsets[list + 1];
  }
  for (size_t l = 0; l < nlist; ++l) {
    offsets[l + 1] += offsets[l];
  }
  std::vector<uint32_t> row_ids(assignment.size());
  std::vector<uint32_t> next(offsets.begin(), offsets.end() - 1);
  for (uint32_t row = 0; row < assignment.size(); ++row) {
    row_ids[next[assignment[row]]++] = row;
  }
  std::string bytes;
  const auto append = [&bytes](const void* data, size_t size) {
    bytes.append(static_cast<const char*>(data), size);
  };
  append(&header, sizeof header);
  append(centroids.data(), centroids.size() * sizeof(float));
  append(offsets.data(), offsets.size() * sizeof(uint32_t));
  append(row_ids.data(), row_ids.size() * sizeof(uint32_t));
  return bytes;
}

Result<IvfView> DecodeIvf(std::string_view bytes, size_t rows, size_t dim) {
  IvfHeader header{};
  if (bytes.size() < sizeof header) {
    return Bad("shorter than its header: bytes=" + std::to_string(bytes.size()));
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(uint32_t) != 0) {
    return InvalidArgumentError("IVF section is not aligned to 4 bytes");
  }
  std::memcpy(&header, bytes.data(), sizeof header);
  LEADLINE_RETURN_IF_ERROR(CheckHeader(header, rows, dim));
  const size_t nlist = header.nlist;
  // All factors are capped (dim 2^16, nlist 2^16, rows 2^32), so nothing here overflows.
  const size_t expected =
      sizeof header + sizeof(float) * nlist * dim + sizeof(uint32_t) * (nlist + 1 + rows);
  if (bytes.size() != expected) {
    return Bad("bytes=" + std::to_string(bytes.size()) + " expected=" + std::to_string(expected));
  }
  IvfView view;
  view.default_nprobe = header.default_nprobe;
  const char* at = bytes.data() + sizeof header;
  view.centroids = {reinterpret_cast<const float*>(at), nlist, dim};
  at += sizeof(float) * nlist * dim;
  view.offsets = {reinterpret_cast<const uint32_t*>(at), nlist + 1};
  at += sizeof(uint32_t) * (nlist + 1);
  view.row_ids = {reinterpret_cast<const uint32_t*>(at), rows};
  LEADLINE_RETURN_IF_ERROR(CheckContents(view));
  return view;
}

}  // namespace leadline::index
