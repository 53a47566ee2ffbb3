#!/bin/sh
# install_packages.sh SECTION... - installs the Debian packages that cmake/debian-packages.txt lists
# under [SECTION]. Does nothing when all are there, so it needs neither root nor network then.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
list="$root/cmake/debian-packages.txt"

if [ $# -eq 0 ]; then
  echo "usage: $0 SECTION...   (sections: $(sed -n 's/^\[\(.*\)\]$/\1/p' "$list" | tr '\n' ' '))" >&2
  exit 2
fi

wanted=""
for section in "$@"; do
  if ! grep -qx "\[$section\]" "$list"; then
    echo "$0: no section [$section] in cmake/debian-packages.txt" >&2
    exit 2
  fi
  wanted="$wanted $(awk -v s="[$section]" '
    /^\[/ { on = ($0 == s); next }
    on && !/^#/ && NF { print $1 }' "$list" | tr '\n' ' ')"
done

if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "$0: this is not a Debian system; install the equivalents of:$wanted" >&2
  exit 4
fi

missing=""
for package in $wanted; do
  # Works from dpkg 1.17 on; a package that was removed but not purged is not "installed".
  state=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | sort -u || true)
  [ "$state" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=""
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "$0: run as root, or install sudo; missing packages:$missing" >&2
    exit 4
  fi
  as_root=sudo
fi

echo "installing packages:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get -o Acquire::Retries=3 update -qq >&2
# shellcheck disable=SC2086  # the list is meant to split
$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 \
  install -y -qq --no-install-recommends $missing >&2
