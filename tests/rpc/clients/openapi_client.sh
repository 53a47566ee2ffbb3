#!/bin/sh
# openapi_client.sh VENV BASE_URL TOKEN WORK_DIR - requests that schemathesis makes from the OpenAPI
# document: what the document allows is answered as it says, what it forbids is refused, nothing fails
# inside the server. LEADLINE_API_EXAMPLES (25) a route.
set -eu
venv=$1 base=$2 token=$3 work=$4
# Left out: that all the document allows succeeds, which no document of this kind could promise (a
# vector has its collection's dimension, a filter its grammar).
cp "$(dirname "$0")/schemathesis.toml" "$work/"
cd "$work"
timeout 600 "$venv/bin/schemathesis" run "$base/openapi.json" --header "Authorization: Bearer $token" \
  --checks all --exclude-checks positive_data_acceptance \
  --max-examples "${LEADLINE_API_EXAMPLES:-25}" --seed 1 --phases examples,coverage,fuzzing \
  --generation-database none --warnings off --no-color >"$work/schemathesis.txt" 2>&1 ||
  { cat "$work/schemathesis.txt"; exit 1; }
grep -E 'passed|generated' "$work/schemathesis.txt" || true
