#!/bin/sh
# run.sh PROGRAM PROTO_DIR WORK_DIR - serves a database and uses it from Python's gRPC, from curl and
# from schemathesis, which makes requests from the OpenAPI document. The Python packages are installed
# into a virtual environment below WORK_DIR. Exits 77 (skipped) where that is impossible.
# LEADLINE_API_EXAMPLES (25) is how many requests schemathesis makes for each operation.
set -eu
program=$1 protos=$2 work=$3
here=$(cd "$(dirname "$0")" && pwd)
venv=$work/clients-venv
command -v curl >/dev/null || { echo "skipped: no curl"; exit 77; }
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv" || { echo "skipped: no python3-venv"; exit 77; }
  "$venv/bin/pip" install --quiet --only-binary :all: --requirement "$here/requirements.txt" ||
    { echo "skipped: the packages cannot be installed"; exit 77; }
  cp "$here/requirements.txt" "$venv/"
fi

scratch=$(mktemp -d)
server=
clean_up() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  [ -z "$server" ] || wait "$server" || true
  rm -rf "$scratch"
}
trap clean_up EXIT

mkdir "$scratch/stubs"
(cd "$protos" && "$venv/bin/python" -m grpc_tools.protoc --proto_path=. --python_out="$scratch/stubs" \
  --grpc_python_out="$scratch/stubs" leadline/v1/*.proto)

mkfifo "$scratch/ready"
"$program" serve "$scratch/db" --grpc 127.0.0.1:0 --http 127.0.0.1:0 --reflection --json \
  >"$scratch/ready" 2>"$scratch/log" &
server=$!
read -r line <"$scratch/ready"
port_of() { echo "$line" | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
token=$("$program" token create "$scratch/db" --role admin --json | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
# The server looks at its tokens once a second.
for _ in $(seq 100); do
  [ "$(curl --silent --output /dev/null --write-out '%{http_code}' \
    "http://127.0.0.1:$(port_of http_port)/v1/info")" != 401 ] || break
  sleep 0.1
done

PYTHONPATH=$scratch/stubs timeout 120 "$venv/bin/python" "$here/grpc_client.py" \
  "127.0.0.1:$(port_of grpc_port)" "$token"
sh "$here/curl_client.sh" "http://127.0.0.1:$(port_of http_port)" "$token"
sh "$here/openapi_client.sh" "$venv" "http://127.0.0.1:$(port_of http_port)" "$token" "$scratch"
kill -0 "$server" # still there
