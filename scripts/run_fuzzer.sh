#!/bin/sh
# run_fuzzer.sh PROGRAM - replays the corpus of a fuzz target, then looks for new inputs for
# LEADLINE_FUZZ_SECONDS (10). An input that fails is kept as build/asan/NAME-*.
set -eu
cd "$(dirname "$0")/.."

program=$1
name=$(basename "$program")
corpus=tests/fuzz/corpus/${name%_fuzz}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/grown"
status=0
{
  "$program" -runs=0 -rss_limit_mb=2048 -timeout=5 "$corpus" &&
    "$program" -max_total_time="${LEADLINE_FUZZ_SECONDS:-10}" -rss_limit_mb=2048 -timeout=5 \
      -print_final_stats=1 -artifact_prefix="build/asan/$name-" "$scratch/grown" "$corpus"
} >"$scratch/log" 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
  tail -n 40 "$scratch/log" >&2
  echo "$name failed; the input is build/asan/$name-*" >&2
  exit 1
fi
echo "$name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$scratch/log" | tail -n 1) executions"
