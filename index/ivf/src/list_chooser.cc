#include "list_chooser.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>
#include <string>

#include "candidate_buffer.h"

namespace leadline::index {
namespace {

constexpr size_t kChunk = CallControl::kCheckInterval;

}  // namespace

Result<ListChooser> ListChooser::Make(MatrixView centroids, Metric metric) {
  ListChooser chooser(centroids, metric);
  LEADLINE_ASSIGN_OR_RETURN(
      const std::string bytes,
      EncodeRowCodes(centroids, metric, CodeType::kSq8, nullptr, CallControl()));
  chooser.bytes_ = (bytes.size() + simd::kCodeBytes - 1) / simd::kCodeBytes * simd::kCodeBytes;
  auto* storage = static_cast<char*>(std::aligned_alloc(simd::kCodeBytes, chooser.bytes_));
  if (storage == nullptr) {
    throw std::bad_alloc();
  }
  chooser.storage_.reset(storage, &std::free);
  std::memcpy(storage, bytes.data(), bytes.size());
  LEADLINE_ASSIGN_OR_RETURN(chooser.codes_, RowCodes::Open({storage, bytes.size()}, centroids.rows,
                                                           centroids.dim, metric));
  return chooser;
}

/// Cuts scratch->lists to those of the `nprobe` smallest scratch->distances, ascending.
void ListChooser::KeepNearest(size_t nprobe, Scratch* scratch) const {
  const simd::SelectionKernels& kernels = simd::CurrentLevel().selection;
  const float* distances = scratch->distances.data();
  std::vector<uint32_t>& lists = scratch->lists;
  const size_t nlist = centroids_.rows;
  const float bound = BoundOfSmallest(kernels, distances, nlist, nprobe, nprobe);
  lists.resize(kernels.list_at_most(distances, nlist, bound, 0, lists.data()));
  if (lists.size() > nprobe) {
    // Ties at the bound: the lower numbers stay.
    const auto nearer = [distances](uint32_t a, uint32_t b) {
      return distances[a] != distances[b] ? distances[a] < distances[b] : a < b;
    };
    std::nth_element(lists.begin(), lists.begin() + static_cast<std::ptrdiff_t>(nprobe - 1),
                     lists.end(), nearer);
    lists.resize(nprobe);
    std::sort(lists.begin(), lists.end());
  }
}

Status ListChooser::Choose(const float* query, size_t nprobe, MatrixView centres,
                           const CallControl& control, Scratch* scratch) const {
  const size_t nlist = centroids_.rows;
  std::vector<uint32_t>& lists = scratch->lists;
  lists.resize(nlist + simd::kBlockRows);
  std::iota(lists.begin(), lists.end(), 0U);
  if (nprobe < nlist) {
    scratch->sums.resize(kChunk);
    scratch->distances.resize(nlist);
    scratch->query.Prepare(codes_, query);
    for (size_t begin = 0; begin < nlist; begin += kChunk) {
      LEADLINE_RETURN_IF_ERROR(control.Check());
      scratch->query.Distances(lists.data() + begin, std::min(kChunk, nlist - begin),
                               scratch->sums.data(), scratch->distances.data() + begin);
    }
    KeepNearest(nprobe, scratch);
  } else {
    lists.resize(nlist);
  }
  scratch->distances.resize(std::max(scratch->distances.size(), lists.size()));
  std::vector<Neighbor>& nearest = scratch->nearest;
  nearest.resize(lists.size());
  for (size_t begin = 0; begin < lists.size(); begin += kChunk) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const size_t count = std::min(kChunk, lists.size() - begin);
    distance_.Gather(query, centres.data, lists.data() + begin, count, scratch->distances.data());
    for (size_t i = 0; i < count; ++i) {
      nearest[begin + i] = {scratch->distances[i], lists[begin + i]};
    }
  }
  std::sort(nearest.begin(), nearest.end());
  return {};
}

}  // namespace leadline::index
