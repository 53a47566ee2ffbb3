// What was released of the API stays: rpc/proto/released.txt against the descriptors of this build.
// The comparison itself is shown changes of every kind, harmless and not.

#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <gtest/gtest.h>

#include "api_listing.h"
#include "leadline/rpc/method_table.h"
#include "leadline/v1/options.pb.h"

namespace leadline::rpc {
namespace {

using google::protobuf::DescriptorPool;
using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;
using google::protobuf::MethodDescriptorProto;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kReleased[] = LEADLINE_SOURCE_DIR "/rpc/proto/released.txt";

ApiListing Current() {
  EXPECT_FALSE(Methods().empty());  // brings the descriptors into the program
  return ListApi(ServedFiles());
}

/// The protos as they could be changed: those of the service after those that they import.
class Protos {
 public:
  Protos() {
    EXPECT_FALSE(Methods().empty());
    for (const FileDescriptor* file : ServedFiles()) {
      Add(file);
    }
  }

  FileDescriptorProto* File(const std::string& name) {
    for (FileDescriptorProto& file : files_) {
      if (file.name() == "leadline/v1/" + name) {
        return &file;
      }
    }
    return nullptr;
  }

  DescriptorProto* Message(const std::string& name) {
    for (FileDescriptorProto& file : files_) {
      for (DescriptorProto& message : *file.mutable_message_type()) {
        if (message.name() == name && file.package() == "leadline.v1") {
          return &message;
        }
      }
    }
    return nullptr;
  }

  FieldDescriptorProto* Field(const std::string& message, const std::string& name) {
    for (FieldDescriptorProto& field : *Message(message)->mutable_field()) {
      if (field.name() == name) {
        return &field;
      }
    }
    return nullptr;
  }

  v1::FieldRule* Bounds(const std::string& message, const std::string& name) {
    return Field(message, name)->mutable_options()->MutableExtension(v1::bounds);
  }

  /// Of the service Search.
  MethodDescriptorProto* Method(const std::string& name) {
    for (MethodDescriptorProto& method :
         *File("search.proto")->mutable_service(0)->mutable_method()) {
      if (method.name() == name) {
        return &method;
      }
    }
    return nullptr;
  }

  EnumDescriptorProto* Metric() { return File("common.proto")->mutable_enum_type(0); }

  void DropField(const std::string& message, const std::string& name) {
    auto* fields = Message(message)->mutable_field();
    for (int i = 0; i < fields->size(); ++i) {
      if (fields->Get(i).name() == name) {
        fields->DeleteSubrange(i, 1);
        return;
      }
    }
  }

  FieldDescriptorProto* AddField(const std::string& message, const std::string& name, int number) {
    FieldDescriptorProto* field = Message(message)->add_field();
    field->set_name(name);
    field->set_number(number);
    field->set_type(FieldDescriptorProto::TYPE_STRING);
    field->set_label(FieldDescriptorProto::LABEL_OPTIONAL);
    return field;
  }

  void Reserve(const std::string& message, int number, const std::string& name) {
    if (number != 0) {
      auto* range = Message(message)->add_reserved_range();
      range->set_start(number);
      range->set_end(number + 1);
    }
    if (!name.empty()) {
      Message(message)->add_reserved_name(name);
    }
  }

  /// The listing of all of it.
  [[nodiscard]] ApiListing List() const {
    DescriptorPool pool;
    std::vector<const FileDescriptor*> files;
    for (const FileDescriptorProto& proto : files_) {
      const FileDescriptor* file = pool.BuildFile(proto);
      EXPECT_NE(file, nullptr) << proto.name();
      if (file != nullptr && file->package() == "leadline.v1") {
        files.push_back(file);
      }
    }
    return ListApi(files);
  }

 private:
  void Add(const FileDescriptor* file) {
    for (const FileDescriptorProto& present : files_) {
      if (present.name() == file->name()) {
        return;
      }
    }
    for (int i = 0; i < file->dependency_count(); ++i) {
      Add(file->dependency(i));
    }
    FileDescriptorProto proto;
    file->CopyTo(&proto);
    files_.push_back(std::move(proto));
  }

  std::vector<FileDescriptorProto> files_;
};

struct Change {
  const char* what;
  std::function<void(Protos*)> make;
  const char* found = "";  ///< part of the only line that tells of it
};

std::vector<std::string> BreaksAfter(const Change& change) {
  Protos protos;
  change.make(&protos);
  return BreaksOf(Current(), protos.List());
}

TEST(Compatibility, NothingReleasedIsBroken) {
  std::ifstream file(kReleased);
  ASSERT_TRUE(file.is_open()) << kReleased;
  std::ostringstream text;
  text << file.rdbuf();
  const ApiListing released = ParseListing(text.str());
  EXPECT_GT(released.size(), 300U);
  for (const std::string& line : BreaksOf(released, Current())) {
    ADD_FAILURE() << line << "\n(see rpc/proto/README.md)";
  }
}

TEST(Compatibility, TheListingIsReadAsItWasWritten) {
  ApiListing listing = Current();
  listing[{"enum leadline.v1.Odd", -3}] = "ODD_NEGATIVE";
  listing[{"reserved leadline.v1.Odd", 4}] = "9";
  listing[{"reserved_name leadline.v1.Odd.old", 0}] = "";
  EXPECT_EQ(ParseListing("# a comment\n\n" + ToText(listing)), listing);
  EXPECT_EQ(Protos().List(), Current());
}

TEST(Compatibility, EveryMethodAndRouteIsListed) {
  const ApiListing listing = Current();
  for (const Method& method : Methods()) {
    if (method.path.starts_with("/leadline.")) {
      EXPECT_TRUE(listing.contains({"method " + method.path, 0})) << method.path;
      EXPECT_EQ(listing.contains({"http " + method.path, 0}), !method.rule.http().empty());
    }
  }
}

TEST(Compatibility, FieldsThatGoOrChangeAreFound) {
  const Change changes[] = {
      {"removed", [](Protos* p) { p->DropField("Hit", "score"); },
       "removed: field leadline.v1.Hit 2: score float"},
      {"removed, number reserved",
       [](Protos* p) {
         p->DropField("Hit", "score");
         p->Reserve("Hit", 2, "");
       },
       "removed: field leadline.v1.Hit 2"},
      {"removed, name reserved",
       [](Protos* p) {
         p->DropField("Hit", "score");
         p->Reserve("Hit", 0, "score");
       },
       "removed: field leadline.v1.Hit 2"},
      {"renumbered", [](Protos* p) { p->Field("Hit", "score")->set_number(20); },
       "removed: field leadline.v1.Hit 2"},
      {"renamed", [](Protos* p) { p->Field("Hit", "score")->set_name("value"); },
       "changed: field leadline.v1.Hit 2: score float to value float"},
      {"another type",
       [](Protos* p) { p->Field("Hit", "score")->set_type(FieldDescriptorProto::TYPE_DOUBLE); },
       "score float to score double"},
      {"another type of the same bytes",
       [](Protos* p) {
         p->Field("PlanStep", "source")->set_type(FieldDescriptorProto::TYPE_BYTES);
       },
       "source string to source bytes"},
      {"another message",
       [](Protos* p) { p->Field("SearchResponse", "plan")->set_type_name(".leadline.v1.Hit"); },
       "plan leadline.v1.Plan to plan leadline.v1.Hit"},
      {"repeated",
       [](Protos* p) { p->Field("Plan", "simd")->set_label(FieldDescriptorProto::LABEL_REPEATED); },
       "simd string to simd repeated string"},
      {"in a oneof",
       [](Protos* p) {
         p->Message("Plan")->add_oneof_decl()->set_name("kind");
         p->Field("Plan", "simd")->set_oneof_index(0);
       },
       "simd string to simd oneof kind string"},
      {"another JSON form", [](Protos* p) { p->Bounds("Hit", "payload")->set_json(false); },
       "removed: form leadline.v1.Hit 3: json"},
      {"left out of JSON", [](Protos* p) { p->Bounds("Hit", "id")->set_grpc_only(true); },
       "narrowed: form leadline.v1.Hit 1"},
      {"a new one that must be set",
       [](Protos* p) {
         p->AddField("Hit", "new", 99);
         p->Bounds("Hit", "new")->set_min_bytes(1);
       },
       "must be set: field leadline.v1.Hit 99"},
  };
  for (const Change& change : changes) {
    EXPECT_THAT(BreaksAfter(change), ElementsAre(HasSubstr(change.found))) << change.what;
  }
}

TEST(Compatibility, MethodsAndRoutesThatGoOrChangeAreFound) {
  const Change changes[] = {
      {"another request",
       [](Protos* p) { p->Method("Search")->set_input_type(".leadline.v1.SearchBatchRequest"); },
       "changed: method /leadline.v1.Search/Search: leadline.v1.SearchRequest"},
      {"another answer",
       [](Protos* p) { p->Method("Search")->set_output_type(".leadline.v1.Plan"); },
       "changed: method /leadline.v1.Search/Search"},
      {"a stream", [](Protos* p) { p->Method("Search")->set_server_streaming(true); },
       "-> stream leadline.v1.SearchResponse"},
      {"no stream", [](Protos* p) { p->Method("SearchStream")->set_client_streaming(false); },
       "changed: method /leadline.v1.Search/SearchStream"},
      {"another route",
       [](Protos* p) {
         p->Method("Search")->mutable_options()->MutableExtension(v1::rule)->set_http("POST /v1/s");
       },
       "changed: http /leadline.v1.Search/Search"},
      {"no route",
       [](Protos* p) {
         p->Method("Search")->mutable_options()->MutableExtension(v1::rule)->clear_http();
       },
       "removed: http /leadline.v1.Search/Search"},
      {"another role",
       [](Protos* p) {
         p->Method("Search")->mutable_options()->MutableExtension(v1::rule)->set_role(
             v1::ROLE_ADMIN);
       },
       "ROLE_READ to ROLE_ADMIN"},
  };
  for (const Change& change : changes) {
    EXPECT_THAT(BreaksAfter(change), ElementsAre(HasSubstr(change.found))) << change.what;
  }
  // Method, role and route each.
  EXPECT_THAT(
      BreaksAfter({"renamed", [](Protos* p) { p->Method("Search")->set_name("Find"); }}),
      ElementsAre(HasSubstr("removed: http"), HasSubstr("removed: method"), HasSubstr("removed")));
  EXPECT_GT(BreaksAfter({"no service", [](Protos* p) { p->File("search.proto")->clear_service(); }})
                .size(),
            6U);
}

TEST(Compatibility, EnumerationValuesThatGoOrChangeAreFound) {
  const Change changes[] = {
      {"removed", [](Protos* p) { p->Metric()->mutable_value()->RemoveLast(); },
       "removed: enum leadline.v1.Metric 3: METRIC_COSINE"},
      {"renamed", [](Protos* p) { p->Metric()->mutable_value(3)->set_name("METRIC_ANGLE"); },
       "METRIC_COSINE to METRIC_ANGLE"},
      {"renumbered", [](Protos* p) { p->Metric()->mutable_value(3)->set_number(9); },
       "removed: enum leadline.v1.Metric 3"},
  };
  for (const Change& change : changes) {
    EXPECT_THAT(BreaksAfter(change), ElementsAre(HasSubstr(change.found))) << change.what;
  }
}

TEST(Compatibility, BoundsThatNarrowAreFound) {
  const Change changes[] = {
      {"max", [](Protos* p) { p->Bounds("SearchOptions", "limit")->set_max(100); },
       "narrowed: max leadline.v1.SearchOptions 1: 16384 to 100"},
      {"min", [](Protos* p) { p->Bounds("SearchOptions", "limit")->set_min(2); },
       "narrowed: min leadline.v1.SearchOptions 1: 1 to 2"},
      {"max_bytes", [](Protos* p) { p->Bounds("Record", "id")->set_max_bytes(511); },
       "narrowed: max_bytes leadline.v1.Record 1"},
      {"max_items", [](Protos* p) { p->Bounds("SearchBatchRequest", "texts")->set_max_items(9); },
       "narrowed: max_items leadline.v1.SearchBatchRequest 5"},
      {"where there was none",
       [](Protos* p) { p->Bounds("SearchOptions", "vector_field")->set_min_bytes(1); },
       "narrowed: min_bytes leadline.v1.SearchOptions 2: nothing to 1"},
  };
  for (const Change& change : changes) {
    EXPECT_THAT(BreaksAfter(change), ElementsAre(HasSubstr(change.found))) << change.what;
  }
}

TEST(Compatibility, AdditionsAndReservationsBreakNothing) {
  const Change changes[] = {
      {"a field", [](Protos* p) { p->AddField("Hit", "new", 99); }},
      {"a bounded field",
       [](Protos* p) {
         p->AddField("Hit", "new", 99);
         p->Bounds("Hit", "new")->set_max_bytes(8);
       }},
      {"a message",
       [](Protos* p) { p->File("search.proto")->add_message_type()->set_name("New"); }},
      {"a message whose field must be set",
       [](Protos* p) {
         p->File("search.proto")->add_message_type()->set_name("New");
         p->AddField("New", "id", 1);
         p->Bounds("New", "id")->set_min_bytes(1);
       }},
      {"an enumeration value",
       [](Protos* p) {
         auto* value = p->Metric()->add_value();
         value->set_name("METRIC_NEW");
         value->set_number(4);
       }},
      {"a method",
       [](Protos* p) {
         auto* method = p->File("search.proto")->mutable_service(0)->add_method();
         *method = *p->Method("Search");
         method->set_name("New");
       }},
      {"a field reserved",
       [](Protos* p) {
         p->DropField("Hit", "score");
         p->Reserve("Hit", 2, "score");
       }},
      {"an enumeration value reserved",
       [](Protos* p) {
         p->Metric()->mutable_value()->RemoveLast();
         auto* range = p->Metric()->add_reserved_range();
         range->set_start(3);
         range->set_end(3);
         p->Metric()->add_reserved_name("METRIC_COSINE");
       }},
      {"wider bounds",
       [](Protos* p) {
         p->Bounds("SearchOptions", "limit")->set_max(20000);
         p->Bounds("SearchOptions", "limit")->clear_min();
       }},
  };
  for (const Change& change : changes) {
    EXPECT_THAT(BreaksAfter(change), IsEmpty()) << change.what;
  }
}

TEST(Compatibility, AReservationStays) {
  const auto reserve = [](int first, int last) {
    Protos protos;
    protos.DropField("Hit", "vector");
    protos.Reserve("Hit", 0, "vector");
    auto* range = protos.Message("Hit")->add_reserved_range();
    range->set_start(first);
    range->set_end(last + 1);
    return protos.List();
  };
  const ApiListing released = reserve(4, 6);
  EXPECT_THAT(BreaksOf(released, reserve(4, 9)), IsEmpty());
  EXPECT_THAT(BreaksOf(released, reserve(4, 5)),
              ElementsAre(HasSubstr("no longer reserved: reserved leadline.v1.Hit 4")));
  EXPECT_THAT(BreaksOf(released, Current()),
              ElementsAre(HasSubstr("no longer reserved: reserved leadline.v1.Hit 4"),
                          HasSubstr("removed: reserved_name leadline.v1.Hit.vector")));
}

}  // namespace
}  // namespace leadline::rpc
