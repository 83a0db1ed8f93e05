#!/usr/bin/env bash
# Runs the requests and writes of the programs that orderbell replaces against the real program on the Firestore emulator:
#   source tests/emulator.sh && emulator_start && bash tests/legacy/run.sh [MORE OPTIONS OF PYTEST]; emulator_stop
# Tests target/debug/orderbell, which `cargo test` builds, or the program that ORDERBELL_BIN names.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=target/legacy
export ORDERBELL_BIN="${ORDERBELL_BIN:-$PWD/target/debug/orderbell}"
if ! cmp --silent tests/legacy/requirements.txt $venv/requirements.txt; then
  python3 -m venv --clear $venv
  $venv/bin/pip install --quiet --disable-pip-version-check --requirement tests/legacy/requirements.txt
  cp tests/legacy/requirements.txt $venv/
fi

PYTHONDONTWRITEBYTECODE=1 exec timeout 300 $venv/bin/pytest -p no:cacheprovider --strict-config --strict-markers --quiet tests/legacy "$@"
