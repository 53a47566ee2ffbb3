#!/bin/bash
# fresh_machine.sh - proves that ./quickstart.sh and ./test.sh work, twice each, on a machine that has
# nothing but Debian 12's base system. Makes one with debootstrap in a chroot below $TMPDIR, so that
# no package installed by hand can hide a gap. Package sources, proxies and certificates are the
# host's. Tests the committed tree. Needs root and about 8 GiB of disk; leaves nothing behind.
# fresh_machine.sh COMMAND... runs these shell commands there instead.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/tests/support/bare_debian.sh"
make_bare_debian "$@"

git -c safe.directory="$here" clone -q --no-hardlinks "$here" "$root/srv/leadline"
if [ -n "$(git -c safe.directory="$here" -C "$here" status --porcelain)" ]; then
  echo "note: uncommitted changes are not part of this test" >&2
fi

inside() { bare_debian_shell "cd /srv/leadline && $1"; }

run() {
  local label=$1 command=$2 limit=$3 start
  say "$label"
  start=$SECONDS
  inside "$command" 2>&1 | tee "$scratch/output"
  echo "=== $label took $((SECONDS - start)) s"
  if [ "$limit" -gt 0 ] && [ $((SECONDS - start)) -gt "$limit" ]; then
    echo "$label took longer than $limit s" >&2
    exit 1
  fi
}

if [ $# -gt 0 ]; then
  for command in "$@"; do
    run "$command" "$command" 0
  done
  exit 0
fi
# Packages, a build of under 12 minutes on 2 cores, the job itself.
run "quickstart, first run" ./quickstart.sh 1200
built=$(sed -n 's/.*built in \([0-9]*\) s.*/\1/p' "$scratch/output")
if [ "${built:-9999}" -gt 720 ]; then
  echo "the build took ${built:-?} s, more than 12 minutes" >&2
  exit 1
fi
run "quickstart, second run" ./quickstart.sh 120
run "tests, first run" ./test.sh 0
run "tests, second run" ./test.sh 0
say "both commands work, twice, from nothing"
