#include "leadline/core/mapped_pages.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

#include "errno_text.h"

namespace leadline {
namespace {

#ifdef MADV_POPULATE_READ
constexpr int kPopulate = MADV_POPULATE_READ;
#else
constexpr int kPopulate = 22;  // Linux 5.14, newer than some headers
#endif

/// Pages mincore is asked about at a time, and bytes that are read before a call looks whether it
/// is to stop.
constexpr size_t kAskedPages = 16384;
constexpr size_t kWarmBytes = size_t{4} << 20;

size_t PageBytes() {
  static const auto bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

/// The whole pages that a range touches.
struct Pages {
  explicit Pages(std::string_view range)
      : range_begin(reinterpret_cast<uintptr_t>(range.data())),
        range_end(range_begin + range.size()),
        begin(range_begin / PageBytes() * PageBytes()),
        end(range.empty() ? begin : (range_end + PageBytes() - 1) / PageBytes() * PageBytes()) {}

  uintptr_t range_begin;
  uintptr_t range_end;
  uintptr_t begin;
  uintptr_t end;
};

void* Address(uintptr_t at) {
  return reinterpret_cast<void*>(at);  // NOLINT(performance-no-int-to-ptr): pages, not objects
}

Status PagesError(std::string_view operation, std::string_view range, int error) {
  std::string message = "cannot " + std::string(operation) +
                        " pages: bytes=" + std::to_string(range.size()) + ": " + ErrnoText(error);
  return error == ENOMEM || error == EAGAIN || error == EPERM
             ? ResourceExhaustedError(std::move(message))
             : UnavailableError(std::move(message));
}

}  // namespace

uint64_t ResidentBytes(std::string_view range) {
  const Pages pages(range);
  std::array<unsigned char, kAskedPages> present{};
  uint64_t bytes = 0;
  for (uintptr_t at = pages.begin; at < pages.end; at += kAskedPages * PageBytes()) {
    const size_t asked = std::min<size_t>(pages.end - at, kAskedPages * PageBytes());
    if (::mincore(Address(at), asked, present.data()) != 0) {
      return bytes;
    }
    for (size_t page = 0; page < asked / PageBytes(); ++page) {
      if ((present[page] & 1U) != 0) {
        const uintptr_t first = at + page * PageBytes();
        bytes +=
            std::min(first + PageBytes(), pages.range_end) - std::max(first, pages.range_begin);
      }
    }
  }
  return bytes;
}

Status WarmPages(std::string_view range, const CallControl& control) {
  const Pages pages(range);
  for (uintptr_t at = pages.begin; at < pages.end; at += kWarmBytes) {
    LEADLINE_RETURN_IF_ERROR(control.Check());
    const size_t bytes = std::min<size_t>(pages.end - at, kWarmBytes);
    // Reads the range and no more, in large pieces, without waiting; faults alone read ahead.
    ::madvise(Address(at), bytes, MADV_WILLNEED);
    int failed = 0;
    do {
      failed = ::madvise(Address(at), bytes, kPopulate) == 0 ? 0 : errno;
    } while (failed == EAGAIN || failed == EINTR);
    if (failed != 0 && failed != EINVAL) {  // which older systems say: then reading ahead must do
      return PagesError("warm", range, failed);
    }
  }
  return {};
}

Status LockPages(std::string_view range) {
  const Pages pages(range);
  if (::mlock(Address(pages.begin), pages.end - pages.begin) != 0) {
    const int error = errno;
    UnlockPages(range);  // what was locked before the limit
    return PagesError("lock", range, error);
  }
  return {};
}

void UnlockPages(std::string_view range) {
  const Pages pages(range);
  ::munlock(Address(pages.begin), pages.end - pages.begin);
}

void ExpectScatteredReads(std::string_view range) {
  const Pages pages(range);
  ::madvise(Address(pages.begin), pages.end - pages.begin, MADV_RANDOM);
}

}  // namespace leadline
