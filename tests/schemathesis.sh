#!/usr/bin/env bash
# Calls every address that /api/openapi.json describes with good and bad requests, and checks each answer against the description:
#   bash tests/schemathesis.sh [MORE OPTIONS OF SCHEMATHESIS]
# Needs target/debug/orderbell, which `cargo test` builds. SEED=N tries other requests.
set -euo pipefail
cd "$(dirname "$0")/.."

version=4.32.5
venv=target/schemathesis
token=a-token-for-schemathesis-only
if [ "$(cat $venv/version 2>/dev/null)" != $version ]; then
  python3 -m venv --clear $venv
  $venv/bin/pip install --quiet --disable-pip-version-check "schemathesis==$version"
  echo $version >$venv/version
fi

folder=$(mktemp -d)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# The e-mail address and the password are the examples of the description. Made-up credentials are part of what is tried.
ORDERBELL_SERVER__PORT=$port \
  ORDERBELL_EMBEDDED__PATH=$folder/orders.db \
  ORDERBELL_AUTH__ADMIN_EMAIL=ana@shop.example \
  ORDERBELL_AUTH__ADMIN_PASSWORD='correct horse' \
  ORDERBELL_AUTH__ADMIN_TOKEN=$token \
  ORDERBELL_AUTH__FAILURES_PER_MINUTE=100000 \
  ORDERBELL_LOG__LEVEL=warn \
  target/debug/orderbell >"$folder/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$folder"' EXIT

base=http://127.0.0.1:$port
curl --silent --fail --retry 50 --retry-delay 0 --retry-connrefused --output /dev/null "$base/health/live"

# Streams never end, which schemathesis waits for; tests/api/openapi.rs and tests/api/streams.rs see to them. One worker: Python
# 3.11 can't parse code in two threads at once. The health check says how quickly requests are made up, not how they are answered.
status=0
cd $venv # where it keeps what is needed to replay a failure
PYTHONDONTWRITEBYTECODE=1 SCHEMATHESIS_HOOKS=../../tests/schemathesis.py \
  timeout 300 bin/schemathesis --config-file ../../tests/schemathesis.toml run "$base/api/openapi.json" \
  --header "Authorization: Bearer $token" --exclude-tag streams --checks all --continue-on-failure \
  --suppress-health-check filter_too_much --max-examples 60 --workers 1 --request-timeout 10 --seed "${SEED:-1}" "$@" || status=$?

# A panic in a handler costs its client the connection, and the log has it.
if ! kill -0 $server 2>/dev/null || grep -q 'panicked' "$folder/log"; then
  cat "$folder/log" >&2
  status=1
fi
exit $status
