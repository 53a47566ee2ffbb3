#!/bin/sh
# Leadline's index beside the best peers, in one run on one core:
#
#     scripts/install_packages.sh build check bench
#     bench/peers/run.sh [--quick] [--sets glove,fashion] [--only search,build] [--data DATA]
#
# DATA is the folder with glove-wink-100k and the corpora. Builds the bench preset, makes a virtual
# environment with the peers in build/bench/peers-venv, makes the data sets in build/bench/data and
# writes results.json, report.md and plots into build/bench/peers. README.md here has the rules and how
# long it takes. Options go to bench/peers/run.py; --help shows them.
set -eu
cd "$(dirname "$0")/../.."

cmake --preset bench >/dev/null
cmake --build --preset bench --target leadline_program leadline_peer_worker >&2
venv=build/bench/peers-venv
if [ ! -x "$venv/bin/python" ] ||
  ! cat bench/peers/requirements*.txt | cmp -s - "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r bench/peers/requirements-harness.txt >&2
  # A peer that cannot be had here is reported with the reason; the others run. The versions of the
  # harness bind them all.
  : > "$venv/missing.tsv"
  grep '==' bench/peers/requirements.txt | while read -r package; do
    echo "--- $package" >&2
    "$venv/bin/pip" install --quiet -c bench/peers/requirements-harness.txt "$package" \
      > "$venv/pip.log" 2>&1 ||
      printf '%s\t%s\n' "$package" "$(grep -i error "$venv/pip.log" | tail -1)" >> "$venv/missing.tsv"
  done
  # The headers of the same hnswlib, for its filters from C++, with the flags of its Python package.
  version=$(sed -n 's/^hnswlib==//p' bench/peers/requirements.txt)
  "$venv/bin/pip" download --quiet --no-deps --no-binary hnswlib -d "$venv" "hnswlib==$version" >&2
  tar -xzf "$venv/hnswlib-$version.tar.gz" -C "$venv"
  g++ -O3 -march=native -DNDEBUG -std=c++17 -I "$venv/hnswlib-$version" \
    bench/peers/hnswlib_worker.cc -o build/bench/hnswlib_worker
  cat bench/peers/requirements*.txt > "$venv/installed.txt"
fi
exec "$venv/bin/python" bench/peers/run.py --missing "$venv/missing.tsv" "$@"
