#include <algorithm>
#include <cctype>

#include "leadline/rpc/json_wire.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {

std::string EnumWord(const google::protobuf::EnumValueDescriptor& value) {
  // METRIC_COSINE of Metric, INDEX_KIND_HNSW of IndexKind.
  std::string prefix;
  for (const char c : value.type()->name()) {
    if (std::isupper(static_cast<unsigned char>(c)) != 0 && !prefix.empty()) {
      prefix += '_';
    }
    prefix += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  prefix += '_';
  std::string word = value.name();
  if (word.starts_with(prefix)) {
    word.erase(0, prefix.size());
  }
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

const google::protobuf::FieldDescriptor* BareField(const google::protobuf::Descriptor& type) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->options().GetExtension(v1::bounds).bare()) {
      return type.field(i);
    }
  }
  return nullptr;
}

}  // namespace leadline::rpc
