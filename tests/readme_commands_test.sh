#!/bin/sh
# readme_commands_test.sh PROGRAM SOURCE-DIR - runs the commands of README.md's section "On the command
# line" as they stand, in order, in an empty directory that has only the examples.
set -eu

program=$1
source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# One command a line, comments included.
awk '/^## / { section = $0 } section == "## On the command line" && /^```sh$/ { on = 1; next }
     /^```$/ { on = 0 }
     on { if (sub(/\\$/, "")) printf "%s", $0; else print }' "$source/README.md" >"$scratch/commands"
count=$(grep -c '^leadline ' "$scratch/commands" || true)
[ "$count" -ge 5 ] || { echo "README.md shows only $count commands"; exit 1; }

mkdir "$scratch/bin" "$scratch/here"
ln -s "$program" "$scratch/bin/leadline"
ln -s "$source/examples" "$scratch/here/examples"
PATH=$scratch/bin:$PATH
export PATH
cd "$scratch/here"
failed=0
while read -r command; do
  status=0
  sh -c "$command" </dev/null >"$scratch/output" 2>&1 || status=$?
  if [ "$status" -ne 0 ]; then
    echo "exit code $status: $command"
    cat "$scratch/output"
    failed=1
  fi
done <"$scratch/commands"
[ "$failed" -eq 0 ]

# Where the comments of the page say that they are.
for path in my.db report/report.html; do
  [ -e "$path" ] || { echo "the commands left no $path"; exit 1; }
done
echo "$count commands of README.md passed"
