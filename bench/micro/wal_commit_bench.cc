/// Commits to the store's log: one writer and several, synced and not, beside the bare cost of a
/// synced append to one file on the same disk. Set TMPDIR to choose the disk.

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>

#include <benchmark/benchmark.h>

#include "leadline/core/file_system.h"
#include "leadline/storage/store.h"

namespace leadline::kv {
namespace {

std::string MakeDirectory() {
  const char* base = std::getenv("TMPDIR");
  std::string pattern = std::string(base != nullptr ? base : "/tmp") + "/leadline-bench-XXXXXX";
  return ::mkdtemp(pattern.data());
}

/// Set up by the first thread of a benchmark, used by all.
struct Shared {
  std::string directory;
  std::unique_ptr<Store> store;
};

Shared* TheShared() {
  static auto* const kShared = new Shared();
  return kShared;
}

void Setup(const benchmark::State&) {
  Shared* shared = TheShared();
  shared->directory = MakeDirectory();
  StoreOptions options;
  options.create_if_missing = true;
  Result<std::unique_ptr<Store>> store = Store::Open(shared->directory + "/db", options);
  shared->store = store.ok() ? std::move(*store) : nullptr;
  store.status().IgnoreError();
}

void Teardown(const benchmark::State&) {
  TheShared()->store.reset();
  std::filesystem::remove_all(TheShared()->directory);
}

/// Rows of `row_bytes`, `rows` a batch.
void Commit(benchmark::State& state, bool sync) {
  const auto rows = static_cast<uint64_t>(state.range(0));
  const auto row_bytes = static_cast<size_t>(state.range(1));
  const std::string row(row_bytes, 'x');
  uint64_t key = static_cast<uint64_t>(state.thread_index()) << 40;
  WriteBatch batch;
  for (auto _ : state) {
    batch.Clear();
    for (uint64_t i = 0; i < rows; ++i) {
      batch.Put(Table::kVectors, std::to_string(++key), row);
    }
    const Status written = TheShared()->store->Write(batch, sync);
    if (!written.ok()) {
      state.SkipWithError(written.message().c_str());
      break;
    }
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * state.range(0) * state.range(1));
}

void CommitSync(benchmark::State& state) {
  Commit(state, true);
}

void CommitOs(benchmark::State& state) {
  Commit(state, false);
}

/// The floor under CommitSync: append and fdatasync, nothing else.
void BareSyncedAppend(benchmark::State& state) {
  const std::string directory = MakeDirectory();
  Result<std::unique_ptr<WritableFile>> file =
      FileSystem::Posix()->NewWritableFile(directory + "/file");
  if (!file.ok()) {
    state.SkipWithError("cannot create the file");
    return;
  }
  const std::string bytes(static_cast<size_t>(state.range(0)), 'x');
  for (auto _ : state) {
    (*file)->Append(bytes).IgnoreError();
    (*file)->Sync().IgnoreError();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
  std::filesystem::remove_all(directory);
}

BENCHMARK(CommitSync)
    ->Setup(Setup)
    ->Teardown(Teardown)
    ->Args({1, 512})
    ->Args({100, 512})
    ->Args({1000, 3136})
    ->UseRealTime();
BENCHMARK(CommitSync)->Setup(Setup)->Teardown(Teardown)->Args({1, 512})->Threads(8)->UseRealTime();
BENCHMARK(CommitOs)
    ->Setup(Setup)
    ->Teardown(Teardown)
    ->Args({1, 512})
    ->Args({1000, 3136})
    ->UseRealTime();
BENCHMARK(BareSyncedAppend)->Arg(600)->UseRealTime();

}  // namespace
}  // namespace leadline::kv
