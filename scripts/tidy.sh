#!/bin/sh
# tidy.sh [FILE...] - clang-tidy 14 over the named sources, by default every source of the library,
# the program and the benchmarks. Fails on any finding.
set -eu
cd "$(dirname "$0")/.."

jobs=${LEADLINE_JOBS:-$(nproc)}
cmake --preset tidy >/dev/null
if [ $# -eq 0 ]; then
  # shellcheck disable=SC2046
  set -- $(git ls-files -- 'core/*.cc' 'index/*.cc' 'storage/*.cc' 'text/*.cc' 'eval/*.cc' 'cli/*.cc' 'bench/*.cc')
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Only what this configuration compiles: other architectures' files have no command.
for file in "$@"; do
  ! grep -qF "/$file\"" build/tidy/compile_commands.json || echo "$file"
done | xargs -P "$jobs" -n 4 clang-tidy-14 -p build/tidy --quiet 2>"$log" ||
  { grep -v ' warnings\? generated\.$' "$log" >&2; exit 1; }
