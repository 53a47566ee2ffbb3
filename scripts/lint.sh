#!/bin/sh
# lint.sh - house rules that a compiler does not check. Needs only a POSIX system and git.
#
# scripts/lint_allow.txt   "RULE PATH-PREFIX": where a banned pattern is allowed (reason as comment)
# scripts/lint_waivers.txt "RULE PATH[:FUNCTION]": size limits that one file may break (with reason)
set -eu
cd "$(dirname "$0")/.."

failures=$(mktemp)
trap 'rm -f "$failures"' EXIT
allow=scripts/lint_allow.txt
waivers=scripts/lint_waivers.txt

fail() { echo "lint: $*" | tee -a "$failures" >&2; }
# Tracked files, and new ones that are not ignored.
files() { git ls-files -co --exclude-standard -- "$@" | while read -r f; do [ -f "$f" ] && echo "$f"; done; }

library="core index storage text eval rpc"
sources() { files "$@" | grep -E '\.(h|cc|cpp|c)$' || true; }

# ban RULE EXTENDED-REGEX WHY FILES... : the pattern may stand only in files that $allow names, and
# in comments, which may speak of what code must not use.
ban() {
  rule=$1 pattern=$2 why=$3
  shift 3
  allowed=$(sed -n "s/^$rule  *\([^ ]*\).*/\1/p" "$allow")
  [ $# -gt 0 ] || return 0
  PATTERN=$pattern ALLOWED=$allowed awk '
    BEGIN { re = ENVIRON["PATTERN"]; n = split(ENVIRON["ALLOWED"], prefix, "\n") }
    FNR == 1 { skip = 0; for (i = 1; i <= n; i++) if (index(FILENAME, prefix[i]) == 1) skip = 1 }
    !skip { line = $0; sub(/\/\/.*/, "", line); if (line ~ re) print FILENAME ":" FNR ":" line }
  ' "$@" | while read -r hit; do fail "$hit: $why ($rule)"; done
}

waived() { grep -qE "^$1 +$2( |\$)" "$waivers"; }

# 1. Third-party headers stay inside their adapters, locks are annotated, the library neither prints
#    nor ends nor blocks its host, and touches files through FileSystem only.
all_code=$(sources core index storage text eval rpc cli bench tests)
library_code=$(sources $library)
# shellcheck disable=SC2086  # lists are meant to split
{
  ban faiss '#include <faiss/' 'FAISS is used in tests and benchmarks only' $all_code
  ban rocksdb '#include <rocksdb/' 'RocksDB is used in storage/kv only' $all_code
  ban rpc '#include <(grpc|grpcpp|google/protobuf|absl)/' 'gRPC and Protobuf are not part of the library' $all_code
  ban prometheus '#include <prometheus/' 'metrics are made in rpc/service only' $all_code
  ban json '#include <nlohmann/' 'JSON library in an API header' $(echo "$library_code" | grep '/include/' || true)
  ban using-namespace 'using namespace ' 'name what you use' $all_code
  ban std-mutex 'std::(mutex|shared_mutex|recursive_mutex|lock_guard|unique_lock|scoped_lock|shared_lock|condition_variable)' 'use leadline/core/mutex.h' $all_code
  ban raw-file '(std::(ofstream|ifstream|fstream)|[^a-zA-Z_]fopen|std::filesystem|[^a-zA-Z_:.>]::(open|unlink|rename|fsync|fdatasync|mkdir)) *\(?' 'files go through leadline::FileSystem' $library_code
  ban print '(std::(cout|cerr|clog)|[^a-zA-Z_nf]printf *\(|fprintf *\(|[^a-zA-Z_]puts *\()' 'the library does not print' $library_code
  ban abort '([^a-zA-Z_.]abort *\(|std::(exit|quick_exit|_Exit|terminate) *\(|[^a-zA-Z_]_exit *\(|[^a-zA-Z_]assert *\()' 'the library does not end its host' $library_code
  ban sleep '(sleep_for|sleep_until|[^a-zA-Z_]u?sleep *\()' 'the library does not sleep' $library_code
  ban wall-clock '(system_clock|[^a-zA-Z_:]time *\((NULL|nullptr|0)\)|gettimeofday)' 'time comes from leadline::Clock' $library_code
  ban random '(std::(random_device|mt19937|rand) ?|[^a-zA-Z_]rand *\(\))' 'randomness comes from leadline::Rng' $library_code
  ban modern 'std::(source_location|views|ranges|format|expected)[^a-zA-Z_]' 'clang 14 cannot parse it' $all_code
}

# 2. Sizes. Hard limits fail, soft ones are told.
for f in $all_code; do
  case $f in
    tests/*) soft=800 hard=1500 ;;
    *.h) soft=300 hard=500 ;;
    *) soft=600 hard=1000 ;;
  esac
  n=$(wc -l < "$f")
  if [ "$n" -gt $hard ]; then
    waived size "$f" || fail "$f: $n lines, limit $hard (size)"
  elif [ "$n" -gt $soft ]; then
    echo "lint: note: $f: $n lines, aim for $soft" >&2
  fi
done

# 3. Functions over 60 lines. Approximate, by indentation: a line that begins with "}" closes what the
#    last line at the same indent opened, and that is a function when it has a name before its first
#    "(", no "=" before it, and is neither control flow nor a type.
for f in $(echo "$all_code" | grep -v '^tests/' || true); do
  awk -v file="$f" '
    BEGIN {
      n = split("if for while switch case default do else try catch return namespace class struct enum union", w)
      for (i = 1; i <= n; i++) skipped[w[i]] = 1
    }
    /^ *($|#|\/\/)/ || /^ *(public|private|protected):$/ { next }
    { match($0, /^ */); indent = RLENGTH }
    indent > 4 { next }
    /^ *}/ {
      if (start[indent] && NR - start[indent] + 1 > 60) {
        print file ":" start[indent], NR - start[indent] + 1, name[indent]
      }
      start[indent] = 0
      next
    }
    {
      start[indent] = 0
      head = $0
      sub(/operator[^ (]*/, "operator", head)
      match(head, /[A-Za-z_]+/)
      word = substr(head, RSTART, RLENGTH)
      if (!(word in skipped) && match(head, /^[^(=]*\(/) && $0 !~ /;$/) {
        head = substr(head, 1, RLENGTH - 1)
        if (match(head, /[A-Za-z_0-9]+$/)) {
          start[indent] = NR
          name[indent] = substr(head, RSTART)
        }
      }
    }' "$f"
done | while read -r where n name; do
  waived function "${where%%:*}:$name" || fail "$where: function $name has $n lines, limit 60 (function)"
done

# 4. Words that must not stay: unfinished work, this machine's paths, forbidden flags and names.
text=$(files . | grep -vE '^(scripts/lint\.sh|LICENSE|examples/.*\.(jsonl|tsv)|tests/.*/(corpus|golden|data)/.*)$' |
  grep -E '(\.(h|cc|c|cmake|txt|md|sh|py|json|yml|awk)$|^\.ci/|^\.clang)' || true)
# shellcheck disable=SC2086
{
  for f in $(grep -lE '(^|[^A-Za-z_])(TODO|FIXME|XXX)([^A-Za-z_]|$)' $text || true); do
    fail "$f: unfinished-work marker (todo)"
  done
  for f in $(grep -lE '(^|[^A-Za-z0-9_.])/(work|home/[a-z]+|root|Users)/' $text || true); do
    grep -q "^machine-path  *$f" "$allow" || fail "$f: path of one machine (machine-path)"
  done
  for f in $(grep -lE -- '-march=native|-ffast-math|-Ofast' $(echo "$text" | grep -E 'CMake|\.cmake$') || true); do
    fail "$f: flag that bakes in one machine or breaks IEEE (flags)"
  done
  for f in $(echo "$all_code" | grep -E '(_utils|_util|_helpers|_common|_manager)\.(h|cc)$' || true); do
    fail "$f: name says nothing (name)"
  done
  for f in $(echo "$all_code" | grep '\.h$' || true); do
    grep -q '^#pragma once' "$f" || fail "$f: no #pragma once (header)"
  done
}

# 5. Relative links in pages lead somewhere.
for page in $(files '*.md' | grep -v '^examples/'); do
  grep -oE '\]\([^)#: ]+(#[^)]*)?\)' "$page" | sed -E 's/^\]\(([^)#]*).*/\1/' | sort -u |
    while read -r target; do
      [ -e "$(dirname "$page")/$target" ] || fail "$page: link to missing $target (link)"
    done
done
[ "$(wc -l < README.md)" -le 250 ] || fail "README.md: more than 250 lines (size)"
[ "$(wc -l < CONTRIBUTING.md)" -le 150 ] || fail "CONTRIBUTING.md: more than 150 lines (size)"

# 6. tests/README.md describes every test, and nothing else. A configured release build knows names
#    that are made in loops; without one the CMake files tell most.
registered=$({
  files tests | grep 'CMakeLists.txt$' | xargs cat | tr '\n' ' ' |
    grep -oE '(leadline_add_test|leadline_add_test_run|leadline_add_fuzzer|add_test) *\( *NAME +[A-Za-z0-9_]+[^A-Za-z0-9_$]' |
    sed 's/.* \([A-Za-z0-9_]*\).$/\1/; s/.* //; s/)$//'
  [ ! -f build/release/CTestTestfile.cmake ] ||
    ctest --test-dir build/release -N | sed -n 's/^ *Test *#[0-9]*: //p'
} | sed 's/[[:space:]]//g' | sort -u)
listed=$(sed -n 's/^| `\([a-z0-9_]*\)`.*/\1/p' tests/README.md)
for t in $registered; do
  case $t in *_test_scalar | *_test_avx2 | *_test_avx512 | *_test_avx512vnni | *_test_sse9) t=${t%_*} ;; esac  # runs per SIMD level
  echo "$listed" | grep -qx "$t" || fail "tests/README.md: no line for $t (test-list)"
done
for t in $(echo "$listed" | sort | uniq -d); do
  fail "tests/README.md: $t is listed twice (test-list)"
done
for t in $listed; do
  echo "$registered" | grep -qx "$t" || [ -n "$(files "tests/**/$t.cc" "tests/$t.cc")" ] ||
    fail "tests/README.md: $t is not registered (test-list)"
done

# 7. One list of packages, used by everything that installs.
if [ -n "$(grep -vE '^(#|\[|$)' cmake/debian-packages.txt | sort | uniq -d)" ]; then
  fail "cmake/debian-packages.txt: a package is listed twice (packages)"
fi
for script in quickstart.sh test.sh .ci/run; do
  grep -q 'scripts/install_packages.sh' "$script" || fail "$script: does not use the package list (packages)"
done
# packages_test.sh installs what it tests.
for f in $(files '*.sh' .ci/run | grep -vE '^(scripts/(install_packages|lint)|tests/packages_test)\.sh$'); do
  ! grep -q 'apt-get install' "$f" || fail "$f: installs packages past the list (packages)"
done

# 8. Every text that the shipped model was trained on stands in its licence: the name before the first
#    of ":,(" in the table of the distillation's page.
sources=$(sed -n '/^| Source | Texts | Licence |$/,/^$/p' text/embedder/distil/README.md |
  sed -nE '1,2d; s/`//g; s/^\| (New: )?([^:,(|]*[^:,(| ]).*/\2/p')
[ -n "$sources" ] || fail "text/embedder/distil/README.md: no table of sources (model-licence)"
echo "$sources" | while read -r name; do
  grep -qiF "| $name" text/embedder/model/LICENSE.md ||
    fail "text/embedder/model/LICENSE.md: does not name $name (model-licence)"
done

if [ -s "$failures" ]; then
  echo "lint: $(wc -l < "$failures") problems" >&2
  exit 1
fi
echo "lint: clean"
