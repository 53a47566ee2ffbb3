#include "api_listing.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "leadline/v1/options.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", value);
  return text;
}

/// "repeated float", "optional uint32", "leadline.v1.Plan", "oneof kind string".
std::string TypeOf(const FieldDescriptor& field) {
  std::string type = field.type_name();
  if (field.message_type() != nullptr) {
    type = field.message_type()->full_name();
  } else if (field.enum_type() != nullptr) {
    type = field.enum_type()->full_name();
  }
  if (field.is_repeated()) {
    return "repeated " + type;
  }
  if (field.real_containing_oneof() != nullptr) {
    return "oneof " + field.real_containing_oneof()->name() + " " + type;
  }
  return field.containing_oneof() != nullptr ? "optional " + type : type;
}

/// What makes the JSON form another one.
std::string FormOf(const v1::FieldRule& rule) {
  std::string form;
  const std::pair<const char*, bool> marks[] = {
      {"json", rule.json()},       {"name", rule.name()}, {"grpc_only", rule.grpc_only()},
      {"inlined", rule.inlined()}, {"bare", rule.bare()}, {"omit_empty", rule.omit_empty()}};
  for (const auto& [mark, set] : marks) {
    form += set ? std::string(form.empty() ? "" : " ") + mark : "";
  }
  return form;
}

void AddBounds(const std::string& message, const FieldDescriptor& field, ApiListing* listing) {
  const v1::FieldRule& rule = field.options().GetExtension(v1::bounds);
  const auto add = [&](const char* what, bool set, double value) {
    if (set) {
      (*listing)[{std::string(what) + " " + message, field.number()}] = Number(value);
    }
  };
  add("min", rule.has_min(), rule.min());
  add("max", rule.has_max(), rule.max());
  add("min_bytes", rule.has_min_bytes(), static_cast<double>(rule.min_bytes()));
  add("max_bytes", rule.has_max_bytes(), static_cast<double>(rule.max_bytes()));
  add("min_items", rule.has_min_items(), static_cast<double>(rule.min_items()));
  add("max_items", rule.has_max_items(), static_cast<double>(rule.max_items()));
  const std::string form = FormOf(rule);
  if (!form.empty()) {
    (*listing)[{"form " + message, field.number()}] = form;
  }
}

void AddEnum(const EnumDescriptor& type, ApiListing* listing) {
  for (int i = 0; i < type.value_count(); ++i) {
    (*listing)[{"enum " + type.full_name(), type.value(i)->number()}] = type.value(i)->name();
  }
  for (int i = 0; i < type.reserved_range_count(); ++i) {
    const auto* range = type.reserved_range(i);
    (*listing)[{"reserved " + type.full_name(), range->start}] = std::to_string(range->end);
  }
  for (int i = 0; i < type.reserved_name_count(); ++i) {
    (*listing)[{"reserved_name " + type.full_name() + "." + type.reserved_name(i), 0}] = "";
  }
}

void AddMessage(const Descriptor& type, ApiListing* listing) {
  const std::string& name = type.full_name();
  (*listing)[{"message " + name, 0}] = "";
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    (*listing)[{"field " + name, field.number()}] = field.name() + " " + TypeOf(field);
    AddBounds(name, field, listing);
  }
  for (int i = 0; i < type.reserved_range_count(); ++i) {
    const auto* range = type.reserved_range(i);
    (*listing)[{"reserved " + name, range->start}] = std::to_string(range->end - 1);
  }
  for (int i = 0; i < type.reserved_name_count(); ++i) {
    (*listing)[{"reserved_name " + name + "." + type.reserved_name(i), 0}] = "";
  }
  for (int i = 0; i < type.nested_type_count(); ++i) {
    AddMessage(*type.nested_type(i), listing);
  }
  for (int i = 0; i < type.enum_type_count(); ++i) {
    AddEnum(*type.enum_type(i), listing);
  }
}

void AddMethod(const MethodDescriptor& method, ApiListing* listing) {
  const std::string path = "/" + method.service()->full_name() + "/" + method.name();
  const auto message = [](bool streams, const Descriptor& type) {
    return (streams ? "stream " : "") + type.full_name();
  };
  (*listing)[{"method " + path, 0}] = message(method.client_streaming(), *method.input_type()) +
                                      " -> " +
                                      message(method.server_streaming(), *method.output_type());
  const v1::MethodRule& rule = method.options().GetExtension(v1::rule);
  (*listing)[{"role " + path, 0}] = v1::Role_Name(rule.role());
  if (!rule.http().empty()) {
    (*listing)[{"http " + path, 0}] = rule.http();
  }
}

/// "leadline.v1.Hit" of "field leadline.v1.Hit".
std::string OwnerOf(const ApiElement& element) {
  return element.first.substr(element.first.find(' ') + 1);
}

std::string KindOf(const ApiElement& element) {
  return element.first.substr(0, element.first.find(' '));
}

std::string LeftOf(const ApiElement& element) {
  return element.first + (element.second != 0 ? " " + std::to_string(element.second) : "");
}

bool ReservesNumbers(const ApiListing& listing, const std::string& owner, int first, int last) {
  const auto begin = listing.lower_bound({"reserved " + owner, first});
  const auto covers = [&](ApiListing::const_iterator range) {
    return range->first.first == "reserved " + owner && range->first.second <= first &&
           std::stoi(range->second) >= last;
  };
  return (begin != listing.end() && covers(begin)) ||
         (begin != listing.begin() && covers(std::prev(begin)));
}

bool Reserves(const ApiListing& listing, const ApiElement& element, const std::string& value) {
  const std::string owner = OwnerOf(element);
  const std::string name = value.substr(0, value.find(' '));
  return ReservesNumbers(listing, owner, element.second, element.second) &&
         listing.contains({"reserved_name " + owner + "." + name, 0});
}

bool IsBound(const std::string& kind) {
  return kind.starts_with("min") || kind.starts_with("max");
}

/// True where whoever kept to the released bound keeps to the other.
bool Wider(const std::string& kind, double released, double current) {
  return kind.starts_with("min") ? current <= released : current >= released;
}

/// A break that this line of the released listing finds; empty where there is none.
std::string LineBreak(const ApiElement& element, const std::string& value,
                      const ApiListing& current) {
  const std::string kind = KindOf(element);
  const auto now = current.find(element);
  if (kind == "reserved") {
    return ReservesNumbers(current, OwnerOf(element), element.second, std::stoi(value))
               ? ""
               : "no longer reserved: " + LeftOf(element);
  }
  if (now == current.end()) {
    // A bound or form went with its field, which is told, or alone: that refuses nothing.
    const bool numbered = kind == "field" || kind == "enum";
    const bool field_stays = current.contains({"field " + OwnerOf(element), element.second});
    if (IsBound(kind) || (kind == "form" && !field_stays) ||
        (numbered && Reserves(current, element, value))) {
      return "";
    }
    return "removed: " + LeftOf(element) + ": " + value;
  }
  if (now->second == value ||
      (IsBound(kind) && Wider(kind, std::stod(value), std::stod(now->second)))) {
    return "";
  }
  return (IsBound(kind) ? "narrowed: " : "changed: ") + LeftOf(element) + ": " + value + " to " +
         now->second;
}

/// True where a message without the field is refused.
bool MustBeSet(const ApiListing& listing, const std::string& message, int number,
               const std::string& value) {
  const auto least = [&](const char* kind) {
    const auto found = listing.find({std::string(kind) + " " + message, number});
    return found != listing.end() ? std::stod(found->second) : 0;
  };
  const auto most = listing.find({"max " + message, number});
  const std::string type = value.substr(value.find(' ') + 1);
  if (type.starts_with("repeated ")) {
    return least("min_items") > 0;
  }
  if (type.starts_with("optional ") || type.starts_with("oneof ")) {
    return false;
  }
  return least("min_bytes") > 0 || least("min") > 0 ||
         (most != listing.end() && std::stod(most->second) < 0);
}

/// A break that this line, which was not released, makes.
std::string AdditionBreak(const ApiElement& element, const std::string& value,
                          const ApiListing& released, const ApiListing& current) {
  const std::string kind = KindOf(element);
  const std::string owner = OwnerOf(element);
  const bool old_field = released.contains({"field " + owner, element.second});
  if ((IsBound(kind) || kind == "form") && old_field) {
    return "narrowed: " + LeftOf(element) + ": nothing to " + value;
  }
  if (kind == "field" && released.contains({"message " + owner, 0}) &&
      MustBeSet(current, owner, element.second, value)) {
    return "must be set: " + LeftOf(element) + ": " + value;
  }
  return "";
}

}  // namespace

ApiListing ListApi(const std::vector<const FileDescriptor*>& files) {
  ApiListing listing;
  for (const FileDescriptor* file : files) {
    for (int i = 0; i < file->message_type_count(); ++i) {
      AddMessage(*file->message_type(i), &listing);
    }
    for (int i = 0; i < file->enum_type_count(); ++i) {
      AddEnum(*file->enum_type(i), &listing);
    }
    for (int i = 0; i < file->service_count(); ++i) {
      const ServiceDescriptor& service = *file->service(i);
      for (int m = 0; m < service.method_count(); ++m) {
        AddMethod(*service.method(m), &listing);
      }
    }
  }
  return listing;
}

std::string ToText(const ApiListing& listing) {
  std::string text;
  for (const auto& [element, value] : listing) {
    const bool numbered = element.first.find('/') == std::string::npos &&
                          !element.first.starts_with("message ") &&
                          !element.first.starts_with("reserved_name ");
    text += element.first + (numbered ? " " + std::to_string(element.second) : "");
    text += value.empty() ? "\n" : ": " + value + "\n";
  }
  return text;
}

ApiListing ParseListing(std::string_view text) {
  ApiListing listing;
  while (!text.empty()) {
    const std::string line(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.empty() || line[0] == '#') {
      continue;
    }
    const size_t colon = line.find(": ");
    std::string left = line.substr(0, colon);
    int number = 0;
    const size_t space = left.rfind(' ');
    if (left.find_first_not_of("-0123456789", space + 1) == std::string::npos) {
      number = std::atoi(left.c_str() + space + 1);
      left.resize(space);
    }
    listing[{left, number}] = colon == std::string::npos ? "" : line.substr(colon + 2);
  }
  return listing;
}

std::vector<std::string> BreaksOf(const ApiListing& released, const ApiListing& current) {
  std::vector<std::string> breaks;
  const auto add = [&breaks](std::string line) {
    if (!line.empty()) {
      breaks.push_back(std::move(line));
    }
  };
  for (const auto& [element, value] : released) {
    add(LineBreak(element, value, current));
  }
  for (const auto& [element, value] : current) {
    if (!released.contains(element)) {
      add(AdditionBreak(element, value, released, current));
    }
  }
  return breaks;
}

std::vector<const FileDescriptor*> ServedFiles() {
  std::vector<std::string> names;
  for (const auto& entry :
       std::filesystem::directory_iterator(LEADLINE_SOURCE_DIR "/rpc/proto/leadline/v1")) {
    names.push_back("leadline/v1/" + entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  std::vector<const FileDescriptor*> files;
  for (const std::string& name : names) {
    const FileDescriptor* file =
        google::protobuf::DescriptorPool::generated_pool()->FindFileByName(name);
    if (file == nullptr) {
      std::fprintf(stderr, "not in this program, though in rpc/proto: %s\n", name.c_str());
      std::abort();
    }
    files.push_back(file);
  }
  return files;
}

}  // namespace leadline::rpc
