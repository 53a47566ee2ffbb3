#!/bin/bash
# fresh_machine.sh - proves that ./quickstart.sh and ./test.sh work, twice each, on a machine that has
# nothing but Debian 12's base system. Makes one with debootstrap in a chroot below $TMPDIR, so that
# no package installed by hand can hide a gap. Package sources, proxies and certificates are the
# host's. Tests the committed tree. Needs root and about 8 GiB of disk; leaves nothing behind.
# fresh_machine.sh COMMAND... runs these shell commands there instead.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
if [ "$(id -u)" -ne 0 ]; then
  echo "fresh_machine.sh needs root (chroot, mount)" >&2
  exit 4
fi
# Mounts made here are seen by nobody else and end with this process.
if [ "${LEADLINE_FRESH_UNSHARED:-}" != 1 ]; then
  LEADLINE_FRESH_UNSHARED=1 exec unshare --mount --propagation private -- "$0" "$@"
fi
command -v debootstrap >/dev/null || "$here/scripts/install_packages.sh" check

scratch=$(mktemp -d "${TMPDIR:-/tmp}/leadline-fresh-XXXXXX")
root=$scratch/root
clean_up() {
  local point
  # Deepest first; removing a tree with something still mounted in it would reach the host.
  for point in $(awk -v r="$scratch" 'index($5, r) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do
    umount "$point" || umount -l "$point" || true
  done
  if grep -q " $scratch" /proc/self/mountinfo; then
    echo "still mounted below $scratch; not removed" >&2
  else
    rm -rf --one-file-system "$scratch"
  fi
}
trap clean_up EXIT

say() { echo "=== $*"; }

# Debian's own sources as apt knows them, one "URI CODENAME COMPONENT" a line.
debian_sources() {
  apt-get indextargets --format '$(ORIGIN)|$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    sed -n 's/^Debian|//p' | sort -u
}
sources=$(debian_sources)
if [ -z "$sources" ]; then
  apt-get update -qq || true
  sources=$(debian_sources)
fi
mirror=$(echo "$sources" | awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
if [ -z "$mirror" ]; then
  echo "apt on this machine knows no Debian 12 source" >&2
  exit 4
fi

say "bare Debian 12"
mkdir -p "$root"
if ! debootstrap --variant=minbase --include=ca-certificates bookworm "$root" "$mirror" \
    >"$scratch/debootstrap.log" 2>&1; then
  tail -n 20 "$scratch/debootstrap.log" >&2
  exit 4
fi

# What reaches packages on the host reaches them inside: sources, proxies, credentials, certificates,
# name resolution.
echo "$sources" | awk '{ print "deb", $1, $2, $3 }' >"$root/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https|ftp|ForceIPv)' >"$root/etc/apt/apt.conf.d/90host" || true
[ ! -d /etc/apt/auth.conf.d ] || cp -a /etc/apt/auth.conf.d/. "$root/etc/apt/auth.conf.d/" 2>/dev/null || true
mkdir -p "$root/usr/local/share/ca-certificates"
cp -L /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
cp -L /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -L /etc/hosts "$root/etc/hosts" 2>/dev/null || true
chroot "$root" update-ca-certificates >"$scratch/certificates.log" 2>&1 ||
  { cat "$scratch/certificates.log" >&2; exit 4; }

mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mount --make-rslave "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/run"

git -c safe.directory="$here" clone -q --no-hardlinks "$here" "$root/srv/leadline"
if [ -n "$(git -c safe.directory="$here" -C "$here" status --porcelain)" ]; then
  echo "note: uncommitted changes are not part of this test" >&2
fi

# A fresh environment; proxies stay. Certificates come from the chroot's own store.
settings=(HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin)
for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY LEADLINE_JOBS; do
  [ -z "${!name:-}" ] || settings+=("$name=${!name}")
done
inside() { env -i "${settings[@]}" chroot "$root" /bin/sh -c "cd /srv/leadline && $1"; }

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
