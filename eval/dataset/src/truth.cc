#include <limits>

#include "hdf5_source.h"
#include "kept_input.h"
#include "leadline/eval/judgments.h"
#include "row_problem.h"
#include "vector_source.h"

namespace leadline::eval {
namespace {

Status ReadIds(VectorSource* source, KeptInput* kept, NeighborTruth* truth) {
  std::vector<int64_t> ids;
  RawRow row;
  while (true) {
    LEADLINE_ASSIGN_OR_RETURN(const bool more, source->Next(&row));
    if (!more) {
      return {};
    }
    LEADLINE_RETURN_IF_ERROR(ToIntegers(row, source->path(), &ids));
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < -1) {
        return RowError({"neighbour id out of range", "ids[" + std::to_string(i) + "]",
                         std::to_string(ids[i]), "row numbers, or -1 for none"},
                        source->path(), "row", row.number);
      }
    }
    LEADLINE_RETURN_IF_ERROR(kept->AddRow(ids.size() * sizeof(int64_t)));
    truth->k = row.dim;
    ++truth->queries;
    truth->ids.insert(truth->ids.end(), ids.begin(), ids.end());
  }
}

Status ReadDistances(VectorSource* source, KeptInput* kept, NeighborTruth* truth) {
  std::vector<float> distances;
  RawRow row;
  size_t rows = 0;
  while (true) {
    LEADLINE_ASSIGN_OR_RETURN(const bool more, source->Next(&row));
    if (!more) {
      break;
    }
    if (row.dim != truth->k || ++rows > truth->queries) {
      return RowError({"distances differ in shape from the neighbours", "dim",
                       std::to_string(row.dim), std::to_string(truth->k)},
                      source->path(), "row", row.number);
    }
    LEADLINE_RETURN_IF_ERROR(ToFloats(row, source->path(), &distances));
    LEADLINE_RETURN_IF_ERROR(kept->AddRow(distances.size() * sizeof(float)));
    truth->distances.insert(truth->distances.end(), distances.begin(), distances.end());
  }
  if (rows != truth->queries) {
    return InvalidFieldError(
        "distances differ in shape from the neighbours: file=" + source->path(), "rows",
        std::to_string(rows), std::to_string(truth->queries));
  }
  return {};
}

}  // namespace

Result<NeighborTruth> ReadTruth(FileSystem* fs, const std::string& path, FileFormat format,
                                const ReadLimits& limits) {
  if (format == FileFormat::kAuto) {
    LEADLINE_ASSIGN_OR_RETURN(format, DetectFileFormat(fs, path));
  }
  LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<VectorSource> source,
                            OpenVectors(fs, path, format, "neighbors"));
  NeighborTruth truth;
  KeptInput kept_ids(path, limits);
  LEADLINE_RETURN_IF_ERROR(ReadIds(source.get(), &kept_ids, &truth));
  if (format == FileFormat::kHdf5) {
    LEADLINE_ASSIGN_OR_RETURN(const bool has_distances, HasHdf5Dataset(fs, path, "distances"));
    if (has_distances) {
      LEADLINE_ASSIGN_OR_RETURN(const std::unique_ptr<VectorSource> distances,
                                OpenVectors(fs, path, format, "distances"));
      KeptInput kept_distances(path, limits);
      LEADLINE_RETURN_IF_ERROR(ReadDistances(distances.get(), &kept_distances, &truth));
    }
  }
  return truth;
}

}  // namespace leadline::eval
