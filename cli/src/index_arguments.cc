#include "index_arguments.h"

namespace leadline::cli {
namespace {

Status CheckIndexCodes(const VectorField& field) {
  const Status known = CheckCodes(field);
  return known.ok()
             ? OkStatus()
             : InvalidFieldError("an index of this kind has no such codes: index=" +
                                     std::string(IndexKindName(field.index)),
                                 "--codes", std::string(CodeTypeName(field.codes)), known.limit());
}

}  // namespace

std::vector<std::string> IndexWords() {
  return {"auto", "flat", "hnsw", "ivf"};
}

std::vector<std::string> CodesWords() {
  return {"auto", "f32", "bf16", "sq8", "sq4", "pq4", "rabitq", "pca8"};
}

void DeclareIndex(Arguments& arguments, IndexArguments* target) {
  arguments.Choice(
      &target->index, "--index", IndexWords(),
      "index of every segment; auto scans below 10,000 rows and builds ivf above, or what has the "
      "codes");
  arguments.Choice(
      &target->codes, "--codes", CodesWords(),
      "what the index searches on; ivf has all of them, hnsw all but pq4 and rabitq, flat "
      "f32, bf16, sq8 and sq4; auto goes by kind, dimension and number of rows");
  arguments.Number(&target->m, "--M", "links of a node in hnsw", kMinM, kMaxM);
  arguments.Number(&target->ef_construction, "--ef-construction", "candidates while hnsw is built",
                   1, kMaxEfConstruction);
  arguments.Number(&target->nlist, "--nlist", "lists of ivf; 0 chooses from the row count", 0,
                   kMaxNlist);
}

Result<VectorField> MakeIndexField(const IndexArguments& arguments) {
  VectorField field;
  LEADLINE_ASSIGN_OR_RETURN(field.index, ParseIndexKind(arguments.index));
  LEADLINE_ASSIGN_OR_RETURN(field.codes, ParseCodeType(arguments.codes));
  field.m = static_cast<uint32_t>(arguments.m);
  field.ef_construction = static_cast<uint32_t>(arguments.ef_construction);
  field.nlist = static_cast<uint32_t>(arguments.nlist);
  LEADLINE_RETURN_IF_ERROR(CheckIndexCodes(field));
  return field;
}

}  // namespace leadline::cli
