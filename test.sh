#!/bin/sh
# test.sh [CTEST-ARGUMENT...] - installs packages, builds the release preset and runs every test that
# is not labelled slow or fresh. The last line is "N passed, N failed in N s".
set -eu
cd "$(dirname "$0")"

jobs=${LEADLINE_JOBS:-$(nproc)}
start=$(date +%s)
scripts/install_packages.sh build check
cmake --preset release >/dev/null
cmake --build --preset release --parallel "$jobs"
built=$(date +%s)
echo "built in $((built - start)) s" >&2

results=$PWD/build/release/test-results.xml
rm -f "$results"
status=0
ctest --preset release --parallel "$jobs" --output-junit "$results" "$@" || status=$?
if [ ! -f "$results" ]; then
  echo "test.sh: ctest wrote no results" >&2
  exit 1
fi

# The first <testsuite> element counts the whole run.
count() { sed -n "s/.*[[:space:]]$1=\"\([0-9]*\)\".*/\1/p" "$results" | head -n 1; }
total=$(count tests)
failed=$(count failures)
not_run=$(($(count disabled) + $(count skipped)))
bad=$failed
if [ "${total:-0}" -eq 0 ]; then
  echo "test.sh: no test ran" >&2
  exit 1
fi
if [ "$status" -ne 0 ]; then
  echo "failed assertions, again:"
  grep -A 9 ': Failure$' build/release/Testing/Temporary/LastTest.log | head -n 80 || true
fi
[ "$not_run" -eq 0 ] || echo "$not_run tests were skipped; see above"
echo "$((total - failed - not_run)) passed, $bad failed in $(($(date +%s) - built)) s"
exit "$status"
