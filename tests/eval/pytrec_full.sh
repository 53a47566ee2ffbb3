#!/bin/sh
# pytrec_full.sh PROGRAM WORK_DIR - compares 100,000 random cases with pytrec_eval, which it installs
# into a virtual environment below WORK_DIR. Exits 77 (skipped) where that is impossible.
set -eu
program=$1
venv=$2/pytrec-venv
here=$(dirname "$0")
if ! "$venv/bin/python" -c 'import pytrec_eval' 2>/dev/null; then
  python3 -m venv "$venv" || { echo "skipped: no python3-venv"; exit 77; }
  # Only built packages: building one would need a compiler set up for Python.
  "$venv/bin/pip" install --quiet --only-binary :all: pytrec-eval-terrier ||
    { echo "skipped: pytrec-eval-terrier cannot be installed"; exit 77; }
fi
exec "$venv/bin/python" "$here/make_pytrec_golden.py" --compare "$program" --cases 100000
