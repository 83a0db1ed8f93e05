#!/usr/bin/env bash
# Installs what the tests need on a Debian machine with Rust and the Firestore emulator, and runs all of them:
#   bash tests/run.sh
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$1"; }

install_packages() {
  local missing=()
  command -v gcc >/dev/null || missing+=(gcc libc6-dev)
  command -v node >/dev/null || missing+=(nodejs)
  command -v npm >/dev/null || missing+=(npm)
  command -v python3 >/dev/null || missing+=(python3)
  command -v curl >/dev/null || missing+=(curl)
  python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
  command -v chromium >/dev/null || missing+=(chromium)
  [ -x /usr/sbin/nginx ] || missing+=(nginx-light)
  [ -x /usr/bin/caddy ] || missing+=(caddy)
  command -v sslscan >/dev/null || missing+=(sslscan)
  command -v pebble >/dev/null || missing+=(pebble)
  if [ "${#missing[@]}" -gt 0 ]; then
    step "installing ${missing[*]}"
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  fi
}

install_packages
# A cargo that isn't rustup's brings its own.
if command -v rustup >/dev/null && ! rustup component list | grep -q 'clippy.*installed'; then
  rustup component add clippy rustfmt
fi
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || {
  echo 'The tests of the desk need Node.js 20 or newer.' >&2
  exit 1
}

step 'format'
cargo fmt --check

step 'lints'
cargo clippy --locked --all-targets -- -D warnings
cargo clippy --locked --lib --tests --features shuttle -- -D warnings
cargo clippy --locked --lib --features fuzzing -- -D warnings

step "the dependencies' licences and sources"
bash tests/deny.sh

step "Google's Firestore emulator"
source tests/emulator.sh
trap emulator_stop EXIT
emulator_start

step 'unit, property and black-box tests'
cargo test --locked --lib --bins --test api --test store --test acme
cargo test --locked --doc

step 'clients that exist today'
bash tests/legacy/run.sh

step 'hostile clients against the release build'
cargo build --locked --release
ORDERBELL_BIN="$PWD/target/release/orderbell" cargo test --locked --test abuse

step 'thread schedules'
cargo test --locked --features shuttle --lib model_

step 'every address against its description'
bash tests/schemathesis.sh

step 'documentation'
RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items --quiet

step 'the desk: types and logic'
npm ci --prefix tests/web --no-audit --no-fund --silent
npm test --prefix tests/web

step 'the desk: journeys in Chromium'
ORDERBELL_BIN="$PWD/target/debug/orderbell" node --test --test-concurrency=1 tests/browser/*.test.mjs

printf '\nall is well\n'
