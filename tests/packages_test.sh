#!/bin/bash
# packages_test.sh - builds the Debian packages and follows them through their life on a machine made
# from nothing but Debian 12's base system (tests/support/bare_debian.sh): dependencies, installation,
# the unit under a running systemd, kill, upgrade, a consumer's build, removal and purge.
# packages_test.sh DIRECTORY takes the packages there and builds none. Needs root and 4 GiB of disk;
# leaves nothing behind.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/tests/support/bare_debian.sh"
make_bare_debian "$@"
# The machine is thrown away.
echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/unsafe-io"

fail() {
  echo "packages_test.sh: $*" >&2
  [ "$booted" -eq 0 ] || inside "journalctl --no-pager -n 40 -u leadline" >&2 || true
  exit 1
}
inside() { bare_debian_shell "$1"; }
as_leadline() { inside "setpriv --reuid leadline --regid leadline --clear-groups $1"; }
apt() {
  inside "DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 -y -qq --no-install-recommends $1" \
    >"$scratch/apt.log" 2>&1 || { cat "$scratch/apt.log" >&2; fail "apt-get $1"; }
}
field() { dpkg-deb -f "$1" "$2"; }
# within SECONDS FUNCTION - true as soon as the function is.
within() {
  local end=$((SECONDS + $1))
  until "$2"; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.1
  done
}

data=/var/lib/leadline
socket=/run/leadline/leadline.sock
unit=/lib/systemd/system/leadline.service
toml=/etc/leadline/leadline.toml
audit=/var/log/leadline/audit.log

say "packages"
packages=$root/srv/packages
mkdir -p "$packages"
if [ $# -gt 0 ]; then
  cp "$1"/*.deb "$packages"
else
  "$here/packaging/build.sh" "$packages"
  # The same bytes again, although the clock went on.
  "$here/packaging/build.sh" "$scratch/again" >/dev/null
  for deb in "$packages"/*.deb; do
    cmp "$deb" "$scratch/again/$(basename "$deb")" || fail "a second build gives another $(basename "$deb")"
  done
fi
program=$(echo "$packages"/leadline_*.deb)
development=$(echo "$packages"/libleadline-dev_*.deb)
[ -f "$program" ] && [ -f "$development" ] || fail "not exactly one of each package in $packages"
for deb in "$program" "$development"; do
  dpkg-deb -c "$deb" | awk '$2 != "root/root"' >"$scratch/owners"
  [ ! -s "$scratch/owners" ] || { cat "$scratch/owners" >&2; fail "files that root does not own"; }
  rm -rf "$scratch/content"
  dpkg-deb -x "$deb" "$scratch/content"
  ! grep -rlF "$here" "$scratch/content" || fail "$deb names the directory of its build"
done

say "dependencies of the program alone"
apt update
apt "satisfy \"$(field "$program" Depends)\""
mkdir "$root/srv/unpacked"
dpkg-deb -x "$program" "$root/srv/unpacked"
inside "/srv/unpacked/usr/bin/leadline info" >/dev/null || fail "the program lacks a dependency"
rm -rf "$root/srv/unpacked"

say "dependencies of the library, and tools"
apt "satisfy \"$(field "$development" Depends)\""
apt "install systemd-sysv dbus curl lintian logrotate cmake make g++"
cp -r "$here/tests/consumer" "$root/srv/consumer"

say "boot"
boot_bare_debian
# Every path but those of package management itself, of the running system and of this test.
paths() {
  inside "find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /var/tmp -o -path /srv \
    -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/cache -o -path /var/log \) -prune -o -print" | sort
}
paths >"$scratch/before"

say "installation"
inside "DEBIAN_FRONTEND=noninteractive apt-get -s install /srv/packages/*.deb" | grep '^Inst' >"$scratch/planned"
[ "$(wc -l <"$scratch/planned")" -eq 2 ] ||
  { cat "$scratch/planned" >&2; fail "apt would install something that Depends does not name"; }
apt "install /srv/packages/*.deb"
inside "getent passwd leadline" | grep -q ":$data:/usr/sbin/nologin\$" || fail "user leadline is wrong"
[ "$(inside "id -u leadline")" -lt 1000 ] || fail "leadline is no system user"
for directory in $data $data-backups; do
  [ "$(inside "stat -c '%U:%G %a' $directory")" = "leadline:leadline 700" ] || fail "$directory has the wrong owner or mode"
done
inside "leadline info --json" | grep -q '"version":"'"$(field "$program" Version | sed 's/-[^-]*$//')"'"' ||
  fail "leadline info tells another version than the package"
inside "dpkg --verify leadline libleadline-dev" >"$scratch/verify" && [ ! -s "$scratch/verify" ] ||
  { cat "$scratch/verify" >&2; fail "files differ from what the packages list"; }
inside "dpkg -L leadline libleadline-dev" | sort -u >"$scratch/listed"
for path in /usr/bin/leadline $unit /usr/share/doc/leadline/copyright /usr/share/doc/leadline/service.md \
    /usr/share/leadline/proto/leadline/v1/records.proto /usr/include/leadline/leadline.h \
    /usr/share/doc/libleadline-dev/copyright $toml /etc/logrotate.d/leadline; do
  grep -qx "$path" "$scratch/listed" || fail "no package holds $path"
done
for path in $toml /etc/logrotate.d/leadline; do
  inside "dpkg-query -W -f '\${Conffiles}' leadline" | grep -q "^ $path " || fail "an upgrade would replace $path"
done
as_leadline "leadline serve $data --config $toml --check-config" | grep -q "$toml:" ||
  fail "the settings are refused"
inside "lintian --allow-root --fail-on error /srv/packages/*.deb" >"$scratch/lintian" 2>&1 ||
  { cat "$scratch/lintian" >&2; fail "lintian finds errors"; }
cat "$scratch/lintian"

say "the unit"
inside "systemd-analyze verify $unit" >"$scratch/verify" 2>&1 || { cat "$scratch/verify" >&2; fail "systemd-analyze verify"; }
! grep leadline "$scratch/verify" || fail "systemd-analyze verify warns"
inside "systemd-analyze --no-pager security --offline=yes --threshold=20 $unit" >"$scratch/exposure" ||
  { cat "$scratch/exposure" >&2; fail "an exposure of 2.0 or more"; }
grep 'Overall exposure' "$scratch/exposure"

# call METHOD REQUEST - REQUEST and the answer are Protobuf bytes in hexadecimal; gRPC puts a flag and a
# length before them. CALL_HEADER adds one, CALL_ADDRESS goes elsewhere than to the socket.
call() {
  printf "$(printf '00%08x%s' $((${#2} / 2)) "$2" | sed 's/../\\x&/g')" >"$root/srv/request"
  as_leadline "curl -sS --max-time 60 --http2-prior-knowledge --data-binary @/srv/request \
    -H 'content-type: application/grpc' -H 'te: trailers' -H '${CALL_HEADER:-x-nothing: 1}' \
    ${CALL_ADDRESS:---unix-socket $socket http://localhost}/$1" 2>"$scratch/call" | od -An -v -tx1 | tr -d ' \n' || true
}
text_field() { printf '%02x%02x' $(($1 * 8 + 2)) ${#2}; printf '%s' "$2" | od -An -v -tx1 | tr -d ' \n'; }
serving() { [ "$(call grpc.health.v1.Health/Check "")" = 00000000020801 ]; }
counted() { call leadline.v1.Records/Count "$(text_field 1 docs)"; }
refused() { [ -z "$(counted)" ]; }
expect_three_records() {
  within 60 serving || { cat "$scratch/call" >&2; fail "$1: health is not SERVING"; }
  [ "$(counted)" = 00000000020803 ] || fail "$1: not 3 records but $(counted)"
}
process() { inside "systemctl show -p MainPID --value leadline"; }

say "service"
within 60 serving || { cat "$scratch/call" >&2; fail "the service does not serve after installation"; }
[ "$(inside "systemctl is-enabled leadline")" = enabled ] || fail "the service is not enabled"
[ "$(inside "stat -c '%U %a' $socket")" = "leadline 600" ] || fail "others may open the socket"
! inside "setpriv --reuid nobody --regid nogroup --clear-groups ls $data" 2>/dev/null || fail "others read the database"
[ "$(inside "stat -c '%U %a' /run/leadline/http.sock")" = "leadline 600" ] || fail "others may open the socket of HTTP"
[ "$(as_leadline "curl -sS -o /dev/null -w '%{http_code}' --unix-socket /run/leadline/http.sock http://localhost/readyz")" = 200 ] ||
  fail "HTTP does not serve"
! inside "curl -s --max-time 5 http://127.0.0.1:7700/readyz" >/dev/null || fail "every user of the machine reaches HTTP"
# What the unit forbids is forbidden, so what follows ran under it.
inside "cat /proc/$(process)/status" >"$scratch/status"
for line in 'NoNewPrivs:[[:space:]]*1' 'Seccomp:[[:space:]]*2' 'CapBnd:[[:space:]]*0*'; do
  grep -qx "$line" "$scratch/status" || { cat "$scratch/status" >&2; fail "no $line in the service's status"; }
done
inside "awk '\$5 == \"/\" { print \$6 }' /proc/$(process)/mountinfo" | grep -q '^ro' || fail "the service may write everywhere"
remote="leadline --remote unix:$socket --quiet"
as_leadline "$remote create docs --dim 3 --metric l2"
printf '%s\n' '{"_id":"a","vector":[1,0,0]}' '{"_id":"b","vector":[0,1,0]}' '{"_id":"c","vector":[0,0,1]}' \
  >"$root/srv/records.jsonl"
as_leadline "$remote ingest docs /srv/records.jsonl"
inside "systemctl restart leadline"
expect_three_records "start"
as_leadline "leadline count $data docs" | grep -qx 3 || fail "no count beside the service"
before=$(process)
inside "kill -KILL $before"
restarted() { [ "$(process)" -ne "$before" ] && serving; }
within 60 restarted || fail "the service does not come back after a kill"
expect_three_records "kill"

say "reload"
before=$(process)
inside "grep -q Records/ $audit" || fail "the audit log does not name the import"
inside "mv $audit $audit.1"
inside "systemctl reload leadline"
opened() { inside "[ -e $audit ]"; }
within 60 opened || fail "a reload does not open the audit log again"
[ "$(process)" -eq "$before" ] || fail "a reload ends the service"
expect_three_records "reload"
inside "logrotate --state /tmp/logrotate --force /etc/logrotate.d/leadline" || fail "logrotate refuses its file"
inside "sed -i '/^\\[audit\\]/,/^file/s/^file/#file/' $toml && systemctl restart leadline"
expect_three_records "without an audit log"
before=$(process)
inside "systemctl reload leadline"
sleep 1
[ "$(process)" -eq "$before" ] || fail "a reload without an audit log ends the service"

say "upgrade over itself"
before=$(process)
apt "install --reinstall /srv/packages/$(basename "$program")"
[ "$(process)" -ne "$before" ] || fail "an upgrade leaves the old program running"
expect_three_records "upgrade"
inside "grep -q '^#file' $toml" || fail "an upgrade replaces the settings"

say "tokens, and TCP as docs/packaging.md says"
token=$(as_leadline "leadline token create $data --role read --quiet")
within 60 refused || fail "calls without a token go on"
CALL_HEADER="authorization: Bearer $token" expect_three_records "token"
cp "$root$toml" "$scratch/settings"
sed -n '/^```toml$/,/^```$/p' "$here/docs/packaging.md" | grep -v '^```' >"$root$toml"
inside "systemctl restart leadline"
CALL_ADDRESS=http://127.0.0.1:7701 CALL_HEADER="authorization: Bearer $token" expect_three_records "TCP"
cp "$scratch/settings" "$root$toml"
inside "systemctl stop leadline"
[ "$(inside "systemctl show -p Result --value leadline")" = success ] || fail "the service does not end by itself"
inside "systemctl start leadline"

say "consumer"
inside "cd /tmp && cmake -S /srv/consumer -B consumer -DCMAKE_BUILD_TYPE=Release && cmake --build consumer && consumer/consumer db" \
  >"$scratch/consumer" 2>&1 || { cat "$scratch/consumer" >&2; fail "the consumer does not build or run"; }

say "removal and purge"
apt "purge libleadline-dev"
apt "remove leadline"
[ ! -e "$root/usr/bin/leadline" ] && [ ! -e "$root$unit" ] || fail "the program is still there"
[ -z "$(inside "find /proc -maxdepth 1 -user leadline")" ] || fail "the service outlives its package"
apt "install /srv/packages/$(basename "$program")"
CALL_HEADER="authorization: Bearer $token" expect_three_records "removal and installation"
[ "$(inside "systemctl is-enabled leadline")" = enabled ] || fail "the service is not enabled again"
apt "purge leadline"
paths >"$scratch/after"
# adduser keeps what it changed.
comm -13 "$scratch/before" "$scratch/after" | grep -vE '^/etc/(passwd|shadow|group|gshadow|subuid|subgid)-$' >"$scratch/left" || true
grep -qx "$data/.*" "$scratch/left" || fail "purge deleted the database"
grep -vE "^$data(/|\$)" "$scratch/left" >"$scratch/rest" || true
[ ! -s "$scratch/rest" ] || { cat "$scratch/rest" >&2; fail "purge leaves files behind"; }
comm -23 "$scratch/before" "$scratch/after" >"$scratch/rest"
[ ! -s "$scratch/rest" ] || { cat "$scratch/rest" >&2; fail "purge took files of others"; }
apt "install /srv/packages/$(basename "$program")"
CALL_HEADER="authorization: Bearer $token" expect_three_records "purge and installation"
say "the packages hold what they promise"
