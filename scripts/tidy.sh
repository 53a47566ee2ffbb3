#!/bin/sh
# tidy.sh [FILE...] - clang-tidy 14 over the named sources, by default every source of the library,
# the program and the benchmarks. Fails on any finding.
set -eu
cd "$(dirname "$0")/.."

jobs=${LEADLINE_JOBS:-$(nproc)}
# All of them go some at a time, as the sanitizers compile them: most of the work is reading headers.
# Hence sources that include sources.
unity=OFF
[ $# -gt 0 ] || unity=ON
cmake --preset tidy -DLEADLINE_UNITY=$unity >/dev/null
ninja -C build/tidy leadline_rpc_generated >/dev/null
compiled() { sed -n 's/^ *"file": "\(.*\.c[cx]*\)",\{0,1\}$/\1/p' build/tidy/compile_commands.json; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if [ $# -eq 0 ]; then
  compiled | grep -v -e "^$PWD/tests/" -e '\.pb\.cc$'
else
  # Only what this configuration compiles: other architectures' files have no command.
  for file in "$@"; do compiled | grep -F "/$file" || true; done
fi | xargs -P "$jobs" -n 2 clang-tidy-14 -p build/tidy --quiet \
  --checks=-bugprone-suspicious-include 2>"$log" ||
  { grep -v ' warnings\? generated\.$' "$log" >&2; exit 1; }
