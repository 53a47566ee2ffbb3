#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "leadline/core/clock.h"
#include "leadline/leadline.h"
#include "leadline/rpc/method_table.h"
#include "leadline/rpc/service.h"
#include "leadline/rpc/token_store.h"
#include "power_cut_file_system.h"

namespace leadline::rpc {

inline void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

/// The service over a small database on a disk in memory. Inputs that change nothing share one;
/// after others it is made anew, so that an input means the same whatever came before it.
class FuzzedService {
 public:
  explicit FuzzedService(std::string tokens_json = "") : tokens_json_(std::move(tokens_json)) {
    Renew();
  }

  Service* service() { return parts_->service.get(); }

  TokenStore* tokens() { return parts_->tokens.get(); }

  /// Between two inputs. `leases`: snapshots may have been opened, or jobs begun.
  void EndInput(bool leases) {
    const bool same = parts_->database->Stats().value().sequence == parts_->sequence &&
                      parts_->database->ListCollections().value() == parts_->collections;
    if (!same || leases) {
      Renew();
    }
  }

 private:
  struct Parts {
    testing::PowerCutFileSystem disk;
    std::unique_ptr<Database> database;
    std::unique_ptr<TokenStore> tokens;
    std::unique_ptr<Service> service;
    SequenceNumber sequence = 0;
    std::vector<std::string> collections;
  };

  void Renew() {
    parts_.reset();
    parts_ = std::make_unique<Parts>();
    DatabaseOptions options;
    options.create_if_missing = true;
    options.background_maintenance = false;
    options.file_system = &parts_->disk;
    parts_->database = Database::Open("/db", options).value();
    Fill();
    if (!tokens_json_.empty()) {
      Require(WriteFileAtomically(&parts_->disk, "/db/tokens.json", tokens_json_).ok());
    }
    parts_->tokens = std::make_unique<TokenStore>(&parts_->disk, Clock::System(), "/db");
    ServiceOptions serving;
    serving.search_slots = 1;
    serving.blocking_threads = 1;
    serving.long_threads = 1;
    serving.backup_directory = "/";
    serving.reflection = true;
    parts_->service =
        std::make_unique<Service>(parts_->database.get(), parts_->tokens.get(), serving);
    parts_->sequence = parts_->database->Stats().value().sequence;
    parts_->collections = parts_->database->ListCollections().value();
  }

  /// A sealed segment with a graph, and a tail behind it.
  void Fill() {
    CollectionOptions options;
    options.vectors = {{.dim = 2, .index = IndexKind::kHnsw}, {.name = "b", .dim = 1}};
    const auto docs = parts_->database->CreateCollection("docs", options).value();
    for (int part = 0; part < 2; ++part) {
      std::vector<Record> records(20);
      for (size_t i = 0; i < records.size(); ++i) {
        const int number = part * 20 + static_cast<int>(i);
        records[i].id = "id" + std::to_string(number);
        records[i].vector = {static_cast<float>(number) + 1.0F, 1.0F};
        records[i].payload = "{\"n\":" + std::to_string(number % 7) + ",\"lang\":\"en\"}";
      }
      docs->Upsert(std::move(records)).status().IgnoreError();
      if (part == 0) {
        docs->Optimize().IgnoreError();
      }
    }
  }

  const std::string tokens_json_;
  std::unique_ptr<Parts> parts_;
};

/// Of a method's path, for inputs: the same in every version.
inline uint16_t KeyOf(std::string_view path) {
  uint32_t hash = 2166136261U;  // FNV-1a
  for (const char c : path) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  }
  return static_cast<uint16_t>(hash ^ (hash >> 16));
}

/// The method whose key is `key` or, cyclically, the next: every key has one, and a new method
/// takes over the keys before its own only.
inline const Method& MethodAt(uint16_t key) {
  const Method* best = nullptr;
  uint16_t distance = 0xFFFF;
  for (const Method& method : Methods()) {
    const auto away = static_cast<uint16_t>(KeyOf(method.path) - key);
    if (best == nullptr || away < distance) {
      best = &method;
      distance = away;
    }
  }
  return *best;
}

/// Takes `bytes` off the front of `input`, or what is left of it.
inline std::string_view Take(std::string_view* input, size_t bytes) {
  const std::string_view taken = input->substr(0, bytes);
  input->remove_prefix(taken.size());
  return taken;
}

/// Takes two bytes, the lower first; what is missing is 0.
inline uint16_t TakeNumber(std::string_view* input) {
  const std::string_view taken = Take(input, 2);
  uint16_t number = 0;
  for (size_t i = 0; i < taken.size(); ++i) {
    number = static_cast<uint16_t>(number | static_cast<uint8_t>(taken[i]) << (8 * i));
  }
  return number;
}

/// Codes that no request may cause on a sound database.
inline bool IsOurFault(StatusCode code) {
  return code == StatusCode::kInternal || code == StatusCode::kUnknown ||
         code == StatusCode::kDataLoss;
}

}  // namespace leadline::rpc
