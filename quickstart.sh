#!/bin/sh
# quickstart.sh - from a bare Debian 12 to an evaluated collection in one command: installs packages,
# builds, indexes the SciFact abstracts in examples/scifact, searches, measures, writes a report.
# Everything it makes lies in build/ and quickstart-out/. Run it again: it starts over, quickly.
set -eu
cd "$(dirname "$0")"

jobs=${LEADLINE_JOBS:-$(nproc)}
data=examples/scifact
out=${LEADLINE_QUICKSTART_OUT:-quickstart-out}
db=$out/db
question="Does vitamin D lower the risk of heart disease?"
begin=$(date +%s)

# What an earlier call made is replaced; anything else in the folder is not ours to delete.
marker=$out/.leadline-quickstart
if [ -n "$(ls -A "$out" 2>/dev/null)" ] && [ ! -e "$marker" ]; then
  echo "quickstart.sh: LEADLINE_QUICKSTART_OUT=$out is not empty and was not made by this script" >&2
  exit 2
fi
mkdir -p "$out"
touch "$marker"
rm -rf "$db" "$out/report"
rm -f "$out/queries.jsonl"
for name in create ingest optimize count search eval ann ground; do rm -f "$out/$name.json"; done

step() { echo "--- $*" >&2; }
fail() { echo "quickstart.sh: $*" >&2; exit 1; }

step "packages"
scripts/install_packages.sh build

step "build (a few minutes the first time)"
# Only the program: tests and benchmarks need more packages and time. test.sh uses the same folder.
cmake --preset release -DLEADLINE_DEVELOPER=OFF -DLEADLINE_PROGRAM=ON >/dev/null
cmake --build --preset release --parallel "$jobs"
leadline=build/release/bin/leadline
[ -x "$leadline" ] || fail "the build made no $leadline"
built=$(date +%s)

# Runs the program with its JSON in $out/NAME.json.
run() {
  name=$1
  shift
  step "leadline $*"
  "$leadline" "$@" --json >"$out/$name.json" || fail "leadline $1 failed (exit $?)"
}
paths() { awk -f scripts/json_paths.awk "$out/$1.json"; }
lines() { awk -v lines=1 -f scripts/json_paths.awk "$out/$1.json"; }
# value NAME PATH: the scalar at that path.
value() {
  paths "$1" | awk -F '\t' -v p="$2" '$1 == p { print $2; found = 1; exit } END { exit !found }' ||
    fail "no $2 in $out/$1.json"
}
number() { awk -v x="$1" -v d="$2" 'BEGIN { if (x == "" || x == "null") print "n/a"; else printf "%.*f\n", d, x }'; }
now_ms() { date +%s%3N; }

# The 300 test queries are those that qrels/test.tsv judges.
awk -F '\t' 'NR == FNR { if (FNR > 1) judged[$1] = 1; next }
  match($0, /"_id": *"[^"]*"/) { id = substr($0, RSTART, RLENGTH); gsub(/"_id": *|"/, "", id); if (id in judged) print }' \
  "$data/qrels/test.tsv" "$data/queries.jsonl" >"$out/queries.jsonl"
[ "$(wc -l <"$out/queries.jsonl")" -eq 300 ] || fail "expected 300 test queries"

run create create "$db" scifact --embedder static --text title --text text --index hnsw
start=$(now_ms)
run ingest ingest "$db" scifact "$data/corpus.jsonl" --format jsonl
ingested=$(now_ms)
run optimize optimize "$db" scifact
indexed=$(now_ms)
run count count "$db" scifact
rows=$(value count count)

run search search "$db" scifact --text "$question" -k 3 --fields title
run eval eval run "$db" scifact --queries "$out/queries.jsonl" --qrels "$data/qrels/test.tsv" -k 100 --out "$out/report"
run ann eval ann "$db" scifact --queries "$out/queries.jsonl" --truth exact -k 10 --sweep ef_search=16,64,256
run ground eval ground "$data/claims.jsonl"

echo
echo "$question"
lines search | awk -F '\t' '
  $1 ~ /hits\.[0-9]+\.score$/ { split($1, p, "."); score[p[3]] = $2 }
  $1 ~ /hits\.[0-9]+\.payload\.title$/ { split($1, p, "."); gsub(/\\"/, "\"", $2); title[p[3]] = $2 }
  END { for (i = 0; i < 3; i++) if (i in score) printf "  %d. %.3f  %s\n", i + 1, score[i], title[i] }'

# The point of the sweep with ef_search 64, the default.
point=$(paths ann | awk -F '\t' '$1 ~ /^points\.[0-9]+\.ef_search$/ && $2 == 64 { sub(/\.ef_search$/, "", $1); print $1; exit }')
[ -n "$point" ] || fail "no point with ef_search 64 in $out/ann.json"
# The last line of ground's output is the summary of all.
summary() { lines ground | awk -F '\t' -v p="summary[.]$1" '{ sub(/^[0-9]+[.]/, "", $1) } $1 ~ "^" p "$" { print $2; exit }'; }

# Assigned before they are printed: a value that is missing ends the script.
ndcg=$(value eval measures.ndcg_cut_10.value)
recall=$(value eval measures.recall_100.value)
ann_recall=$(value ann "$point.recall.id")
p50=$(value ann "$point.latency_us.p50")
p99=$(value ann "$point.latency_us.p99")
reliable=$(value ann "$point.latency_us.p99_reliable")
rough=
[ "$reliable" = true ] || rough='~'

row() { printf '  %-46s %s\n' "$1" "$2"; }
echo
row "Measure" "Value"
row "---------------------------------------------" "-----"
row "abstracts indexed" "$rows"
row "nDCG@10, 300 test claims" "$(number "$ndcg" 4)"
row "recall@100" "$(number "$recall" 4)"
row "ANN recall@10 against exact search (ef 64)" "$(number "$ann_recall" 4)"
row "groundedness AUROC, $(summary n) claim-abstract pairs" "$(number "$(summary auroc)" 4)"
lines ground | awk -F '\t' '
  $1 ~ /^[0-9]+\.summary\.baselines\.[^.]+$/ {
    name = $1; sub(/^.*\./, "", name); gsub(/_/, " ", name)
    printf "  %-46s %.4f\n", "  baseline: " name, $2 }'
row "search latency p50 / p99 (ef 64)" "$(number "$p50" 0) / $rough$(number "$p99" 0) us"
row "ingest, embedded and synced" "$((rows * 1000 / (ingested - start + 1))) rows/s"
row "ingest and index" "$((rows * 1000 / (indexed - start + 1))) rows/s"
[ -z "$rough" ] || echo "  ~ too few samples for a percentile this high (n<1000)"
echo
[ -f "$out/report/report.html" ] || fail "no report was written to $out/report"
echo "report: $(cd "$out" && pwd)/report/report.html"
step "built in $((built - begin)) s, everything in $(($(date +%s) - begin)) s"
