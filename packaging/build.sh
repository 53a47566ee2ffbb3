#!/bin/sh
# build.sh [DIRECTORY] - builds the program and makes the Debian packages `leadline` and
# `libleadline-dev` in DIRECTORY (build/release/packages). One commit gives the same bytes every time
# on the same system.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$here/build/release/packages}
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$here"

jobs=${LEADLINE_JOBS:-$(nproc)}
scripts/install_packages.sh build
# Packages may be made from an archive of the sources too.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -c safe.directory="$PWD" log -1 --format=%ct 2>/dev/null ||
  stat -c %Y CHANGELOG.md)}
export SOURCE_DATE_EPOCH
umask 022

# A tree that somebody develops in keeps its options.
[ -f build/release/build.ninja ] ||
  cmake --preset release -DLEADLINE_DEVELOPER=OFF -DLEADLINE_PROGRAM=ON >/dev/null
cmake --build --preset release --parallel "$jobs" --target leadline leadline_eval leadline_client leadline_program
rm -f "$out"/leadline_*.deb "$out"/libleadline-dev_*.deb
cpack --config build/release/CPackConfig.cmake -B "$out"
rm -rf "$out/_CPack_Packages"
for package in "$out"/*.deb; do
  echo "$package: $(stat -c %s "$package") bytes"
done
