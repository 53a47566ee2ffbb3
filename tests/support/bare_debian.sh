# bare_debian.sh - sourced by tests that need a machine with nothing but Debian 12's base system; the
# caller sets `here` to the source tree and runs under `bash -euo pipefail`. Needs root; exits with 4
# where no such machine can be made.
#
#   make_bare_debian "$@"    the machine: a chroot at $root, below $scratch; the script starts over once,
#                            with these arguments, in a mount namespace of its own
#   bare_debian_shell TEXT   runs shell commands there, in a fresh environment
#   boot_bare_debian         starts its systemd (to be installed there) in namespaces of its own: from now
#                            on commands run beside it, without the host's network
#   say TEXT                 tells what comes next

say() { echo "=== $*"; }

# Debian's own sources as apt knows them, one "URI CODENAME COMPONENT" a line.
debian_sources() {
  apt-get indextargets --format '$(ORIGIN)|$(REPO_URI) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
    sed -n 's/^Debian|//p' | sort -u
}

booted=0   # process of the machine's systemd as the host sees it; 0 before boot_bare_debian
cgroup=""

remove_bare_debian() {
  local point
  if [ "$booted" -ne 0 ]; then
    kill -KILL "$booted" 2>/dev/null || true   # and with it all that runs there
    wait 2>/dev/null || true
  fi
  if [ -n "$cgroup" ]; then
    find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
  fi
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

make_bare_debian() {
  local sources mirror name
  if [ "$(id -u)" -ne 0 ]; then
    echo "$(basename "$0") needs root (chroot, mount)" >&2
    exit 4
  fi
  # Mounts made here are seen by nobody else and end with this process.
  if [ "${LEADLINE_FRESH_UNSHARED:-}" != 1 ]; then
    LEADLINE_FRESH_UNSHARED=1 exec unshare --mount --propagation private -- "$0" "$@"
  fi
  command -v debootstrap >/dev/null || "$here/scripts/install_packages.sh" check

  scratch=$(mktemp -d "${TMPDIR:-/tmp}/leadline-fresh-XXXXXX")
  root=$scratch/root
  trap remove_bare_debian EXIT

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

  # Proxies stay. Certificates come from the chroot's own store.
  settings=(HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin)
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY LEADLINE_JOBS; do
    [ -z "${!name:-}" ] || settings+=("$name=${!name}")
  done
}

bare_debian_shell() {
  if [ "$booted" -eq 0 ]; then
    env -i "${settings[@]}" chroot "$root" /bin/sh -c "$1"
  else
    env -i "${settings[@]}" nsenter --target "$booted" --mount --pid --cgroup --uts --ipc --net --root --wd \
      /bin/sh -c "$1"
  fi
}

# The first process of the machine: becomes its systemd. Has a mount and a process namespace already.
bare_debian_init() {
  cd "$root"
  mount --bind "$root" "$root"
  cd "$root"
  mount -t proc proc proc
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys   # settings of the kernel are the host's
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs dev
  for name in null zero full random urandom tty; do
    cp -a "/dev/$name" dev
  done
  mkdir dev/pts dev/shm
  mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  mount -t tmpfs -o mode=1777 tmpfs dev/shm
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs -o mode=1777 tmpfs tmp
  mkdir run/host
  pivot_root . run/host
  exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /bin/sh -c \
    'umount -l /run/host && mount --make-rshared / && exec /lib/systemd/systemd' <dev/null
}

boot_bare_debian() {
  local hierarchy state=""
  # Wherever this process is in the unified hierarchy; its controllers are not needed.
  hierarchy=$scratch/cgroup
  mkdir "$hierarchy"
  mount -t cgroup2 cgroup2 "$hierarchy" || { echo "no cgroup2 here" >&2; exit 4; }
  cgroup=$hierarchy$(sed -n 's/^0:://p' /proc/self/cgroup)/leadline-fresh-$$
  mkdir "$cgroup"
  export root
  export -f bare_debian_init
  (
    echo $BASHPID >"$cgroup/cgroup.procs"
    exec unshare --mount --pid --fork --kill-child --cgroup --uts --ipc --net --propagation private \
      bash -euc bare_debian_init
  ) >"$scratch/boot.log" 2>&1 &
  for _ in $(seq 300); do
    # unshare has one child, the first process there.
    [ "$booted" -ne 0 ] || booted=$(awk '{ print $1 + 0 }' "/proc/$!/task/$!/children" 2>/dev/null || true)
    booted=${booted:-0}
    [ "$(cat "/proc/$booted/comm" 2>/dev/null)" != systemd ] ||
      state=$(bare_debian_shell "systemctl is-system-running" 2>/dev/null || true)
    [ "$state" != running ] || return 0
    kill -0 $! 2>/dev/null || break
    sleep 0.1
  done
  cat "$scratch/boot.log" >&2
  echo "systemd does not start here: ${state:-no answer}" >&2
  exit 4
}
