#!/bin/sh
# readme_commands_test.sh PROGRAM SOURCE-DIR - runs the commands of README.md's sections "On the command
# line", one by one, and "As a service", as one script, as they stand, in order, in an empty directory that
# has only the examples. Needs the ports 7700 and 7701 for a moment.
set -eu

program=$1
source=$2
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# commands_of SECTION - one command a line, comments included.
commands_of() {
  awk -v wanted="## $1" '/^## / { section = $0 } section == wanted && /^```sh$/ { on = 1; next }
     /^```$/ { on = 0 }
     on { if (sub(/\\$/, "")) printf "%s", $0; else print }' "$source/README.md"
}
commands_of "On the command line" >"$scratch/commands"
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

commands_of "As a service" >"$scratch/service"
grep -q '^leadline serve' "$scratch/service"
# A command that fails ends it; the server must not outlive it.
if ! sh -euc "trap 'kill \$SERVER 2>/dev/null || true' EXIT; $(sed 's/^curl /curl --silent --show-error --fail --max-time 60 /' "$scratch/service")" \
    </dev/null >"$scratch/output" 2>"$scratch/errors"; then
  cat "$scratch/output" "$scratch/errors"
  exit 1
fi
grep -q '"hits":\[{"id"' "$scratch/output"
[ "$(grep -c '"count":' "$scratch/output")" -eq 2 ]
echo "the service section of README.md passed"
