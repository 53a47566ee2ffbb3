#!/bin/sh
# The service beside in-process use and beside peers, in one run on one machine:
#
#     scripts/install_packages.sh build check
#     bench/service/run.sh --data DATA [--json FILE] [--markdown FILE]
#
# DATA is a folder with base.fvecs, query.fvecs and gt_cos.ivecs (100,000 GloVe vectors). Builds the
# bench preset and installs the peers from PyPI into build/bench/service-venv. Takes about half an hour;
# nothing else should run meanwhile. Options go to bench/service/run.py.
set -eu
cd "$(dirname "$0")/../.."

cmake --preset bench >/dev/null
cmake --build --preset bench --target leadline_program leadline_service_load leadline_service_hostile >&2
venv=build/bench/service-venv
if [ ! -x "$venv/bin/python" ] || ! cmp -s bench/service/requirements.txt "$venv/installed.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet -r bench/service/requirements.txt >&2
  cp bench/service/requirements.txt "$venv/installed.txt"
fi
exec "$venv/bin/python" bench/service/run.py --build build/bench --peers "$venv/bin" "$@"
