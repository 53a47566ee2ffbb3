#pragma once

namespace leadline::cli {

/// Lets this process open as many files as it may at all. The limit that it starts with (1,024 in
/// most shells) is for programs that use select(2), which this one does not. Where that fails the
/// limit stays.
void RaiseOpenFileLimit();

}  // namespace leadline::cli
