#include "background_reader.h"

#include <utility>

#include "leadline/core/call_control.h"
#include "leadline/core/no_throw.h"

namespace leadline::engine {

BackgroundReader::BackgroundReader(GetCore core) : core_(std::move(core)) {
  thread_ = std::thread([this] { Run(); });
}

void BackgroundReader::Stop() {
  stop_.Cancel();
  {
    MutexLock lock(&mutex_);
    stopping_ = true;
  }
  wake_.NotifyAll();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void BackgroundReader::Run() {
  while (true) {
    {
      MutexLock lock(&mutex_);
      if (!stopping_) {
        wake_.WaitFor(&mutex_, kTickMs);
      }
      if (stopping_) {
        return;
      }
    }
    // What is wrong is noted in its segment. Memory that ran out may be there at the next tick.
    NoThrow([&] { return ReadAhead(); }).IgnoreError();
  }
}

Status BackgroundReader::ReadAhead() {
  CallControl control;
  control.owner_cancel = &stop_;
  LEADLINE_ASSIGN_OR_RETURN(const std::shared_ptr<DatabaseCore> core, core_());
  LEADLINE_RETURN_IF_ERROR(keeper_.Keep(core.get(), control));
  return VerifyUsedSegments(core.get(), control);
}

Status BackgroundReader::VerifyUsedSegments(DatabaseCore* core, const CallControl& control) {
  for (const std::shared_ptr<CollectionState>& collection : core->Collections()) {
    const std::shared_ptr<const ReadState> state = collection->Load();
    for (const auto& group : *state->groups) {
      for (const auto& segment : group->segments) {
        if (segment != nullptr && segment->LoadedContents() != nullptr) {
          LEADLINE_RETURN_IF_ERROR(segment->VerifiedContents(control).status());
        }
      }
    }
  }
  return {};
}

}  // namespace leadline::engine
