#include "index_arguments.h"

namespace leadline::cli {

void DeclareIndex(Arguments& arguments, IndexArguments* target) {
  arguments.Choice(&target->index, "--index", {"auto", "flat", "hnsw", "ivf"},
                   "index of every segment; auto scans below 10,000 rows and builds hnsw above");
  arguments.Choice(&target->codes, "--codes", {"auto", "f32"},
                   "what the index searches on; bf16, sq8, sq4 and pq4 are not in this version",
                   {"bf16", "sq8", "sq4", "pq4"});
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
  return field;
}

}  // namespace leadline::cli
