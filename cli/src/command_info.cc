#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "json_lines.h"
#include "leadline/core/types.h"
#include "leadline/core/version.h"
#include "leadline/simd/level.h"
#include "leadline/text/embedder.h"
#include "table_printer.h"

namespace leadline::cli {
namespace {

Json SimdJson() {
  const simd::LevelSelection& selection = simd::DefaultLevelSelection();
  Json available = Json::array();
  for (const simd::Level* level : simd::AvailableLevels()) {
    available.push_back(level->name);
  }
  Json object = {{"available", std::move(available)}, {"chosen", selection.level->name}};
  if (!selection.requested.empty()) {
    object["requested"] = selection.requested;
  }
  if (!selection.fallback_reason.empty()) {
    object["fallback_reason"] = selection.fallback_reason;
  }
  return object;
}

Json LimitsJson() {
  return {{"id_bytes", kMaxIdBytes},
          {"collection_name_bytes", kMaxCollectionNameBytes},
          {"dim", kMaxDim},
          {"k", kMaxTopK},
          {"ef_search", kMaxEfSearch},
          {"nprobe", kMaxNprobe},
          {"payload_bytes", kMaxPayloadBytes},
          {"payload_depth", kMaxPayloadDepth},
          {"filter_depth", kMaxFilterDepth},
          {"filter_nodes", kMaxFilterNodes},
          {"batch_bytes", kMaxBatchBytes},
          {"batch_records", kMaxBatchRecords}};
}

Json EmbeddersJson() {
  Json list = Json::array();
  for (const EmbedderInfo& embedder : ListEmbedders()) {
    list.push_back({{"name", embedder.name},
                    {"dim", embedder.dim},
                    {"version", embedder.version},
                    {"description", embedder.description}});
  }
  return list;
}

void PrintTable(const Json& info, Console& console) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const auto& [name, value] : info.items()) {
    if (!value.is_object()) {
      fields.emplace_back(name, value.is_string() ? value.get<std::string>() : JsonText(value));
      continue;
    }
    for (const auto& [inner, inner_value] : value.items()) {
      std::string path = name;
      path.append(".").append(inner);
      fields.emplace_back(std::move(path), inner_value.is_string() ? inner_value.get<std::string>()
                                                                   : JsonText(inner_value));
    }
  }
  PrintFields(console, fields);
}

Result<ExitCode> RunInfo(Console& console) {
  Json info;
  info["version"] = Version();
  info["simd"] = SimdJson();
  info["blas"] = "none";  // matrix products run on kernels of our own
  info["gpu"] = "none";
  info["format_versions"] = {{"database", kDatabaseFormatVersion},
                             {"segment", kSegmentFormatVersion}};
  info["limits"] = LimitsJson();
  info["embedders"] = EmbeddersJson();
  if (console.json()) {
    WriteJsonLine(console, info);
  } else {
    PrintTable(info, console);
  }
  return ExitCode::kDone;
}

CommandBody DeclareInfo(Arguments&) {
  return [](Console& console) { return RunInfo(console); };
}

}  // namespace

Command InfoCommand() {
  return {"info", "Show version, SIMD levels, BLAS, GPU, limits and format versions", "",
          DeclareInfo, "is about this program"};
}

}  // namespace leadline::cli
