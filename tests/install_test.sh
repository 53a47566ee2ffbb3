#!/bin/sh
# install_test.sh BUILD-DIR SOURCE-DIR - installs the built tree into a scratch prefix, then configures,
# builds and runs tests/consumer and examples/programs against it as a stranger would. Also holds the public API to its
# budget and the library to its dependencies.
set -eu

build=$1
source=$2
scratch=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$scratch"' EXIT

cmake --install "$build" --prefix "$scratch/prefix" >"$scratch/install.log" ||
  { cat "$scratch/install.log"; exit 1; }

headers=$(find "$scratch/prefix/include" -name '*.h')
count=$(echo "$headers" | wc -l)
# shellcheck disable=SC2086
lines=$(cat $headers | wc -l)
echo "public API: $count headers, $lines lines"
[ "$count" -le 15 ] || { echo "more than 15 public headers: $headers"; exit 1; }
[ "$lines" -le 2000 ] || { echo "more than 2000 lines of public headers"; exit 1; }
# shellcheck disable=SC2086
if grep -nE '#include <(faiss|rocksdb|grpc|grpcpp|google|absl|nlohmann|unicode|roaring|CLI|hdf5|xxhash)' $headers; then
  echo "a public header includes a third-party header"
  exit 1
fi

# README.md's program must compile and run as it stands.
{
  awk '/^```cpp$/ { on = 1; next } /^```$/ { on = 0 } on' "$source/README.md"
  echo 'int main() { return Demo().ok() ? 0 : 1; }'
} >"$scratch/readme.cc"

# build_against_prefix SOURCE NAME OPTION.. - warnings are errors: none may come from an installed
# header (-Wrestrict of g++ 12 is wrong on std::string).
build_against_prefix() {
  from=$1
  name=$2
  shift 2
  cmake -S "$from" -B "$scratch/$name" -G Ninja -DCMAKE_PREFIX_PATH="$scratch/prefix" \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror -Wno-restrict" "$@" \
    >"$scratch/$name.log" 2>&1 && cmake --build "$scratch/$name" >>"$scratch/$name.log" 2>&1 ||
    { cat "$scratch/$name.log"; exit 1; }
}

build_against_prefix "$source/tests/consumer" consumer -DREADME_EXAMPLE="$scratch/readme.cc"
"$scratch/consumer/consumer" "$scratch/db"
(cd "$scratch" && consumer/readme) || { echo "the program of README.md failed"; exit 1; }

build_against_prefix "$source/examples/programs" examples
for round in first second; do
  nearest=$("$scratch/examples/search_texts" "$scratch/texts" "drugs against heart disease" | sed -n 2p)
  echo "$nearest" | grep -q ' statins ' ||
    { echo "search_texts, $round run, finds something else: $nearest"; exit 1; }
done
"$scratch/examples/measure_recall" "$scratch/points" >"$scratch/recall.txt"
awk 'NR > 1 { best = $2 } END { exit !(NR == 6 && best >= 0.99) }' "$scratch/recall.txt" ||
  { echo "measure_recall is worse than it was:"; cat "$scratch/recall.txt"; exit 1; }

linked=$(ldd "$scratch/consumer/consumer")
if echo "$linked" | grep -E 'grpc|protobuf|absl'; then
  echo "libleadline links gRPC or Protobuf"
  exit 1
fi

# The installed program, where one was built, runs from its new place, and the installed client
# does over its service what the library did here.
if [ -x "$scratch/prefix/bin/leadline" ]; then
  "$scratch/prefix/bin/leadline" info >/dev/null
  build_against_prefix "$source/tests/consumer" client -DCONSUMER_OF_SERVICE=ON
  "$scratch/prefix/bin/leadline" serve "$scratch/served" --grpc "unix:$scratch/socket" --http "" \
    >"$scratch/serve.log" 2>&1 &
  server=$!
  "$scratch/client/remote_consumer" "unix:$scratch/socket" || { cat "$scratch/serve.log"; exit 1; }
  kill "$server"
  wait "$server"
  server=
fi
echo "install test passed"
