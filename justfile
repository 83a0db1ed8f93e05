# Tasks of everyday work; `bash tests/run.sh` is what a change has to pass.

# Format, lints, and the tests that need neither the Firestore emulator nor a browser: the fast loop.
check:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    cargo test --locked --quiet --lib
    cargo test --locked --quiet --test store embedded::
    [ tests/web/node_modules/.package-lock.json -nt tests/web/package-lock.json ] || npm ci --prefix tests/web --no-audit --no-fund --silent
    npm test --silent --prefix tests/web

# Lints of the code that only model tests and fuzz targets build.
lint-features:
    cargo clippy --locked --lib --tests --features shuttle -- -D warnings
    cargo clippy --locked --lib --features fuzzing -- -D warnings

# All tests, on a Debian machine.
test:
    bash tests/run.sh

# A throw-away store in which orders come and move along by themselves.
demo *options:
    cargo run --locked --release -- demo {{ options }}

# Licences and sources of dependencies, and their known vulnerabilities, which are read from GitHub.
deny:
    bash tests/deny.sh advisories bans licenses sources

# The benchmarks.
bench *options:
    cargo bench --locked -- {{ options }}

# Instructions of an event, a replay, a submit, a poll and a page, counted by valgrind.
instructions *options:
    cargo bench --locked --bench instructions -- {{ options }}

# Each fuzz target for some seconds. Needs the nightly toolchain and cargo-fuzz.
fuzz seconds="30":
    #!/usr/bin/env bash
    set -euo pipefail
    cd fuzz
    cargo +nightly fuzz build
    for target in $(cargo +nightly fuzz list); do
      mkdir -p "corpus/$target"
      cargo +nightly fuzz run "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time={{ seconds }} -timeout=10 -rss_limit_mb=1024 -print_final_stats=1
    done

# Hostile clients of every kind against the release build, beside a shop at work; prints what the shop felt.
siege seconds="300":
    cargo build --locked --release
    ORDERBELL_BIN="$PWD/target/release/orderbell" ORDERBELL_SIEGE_SECONDS={{ seconds }} \
      cargo test --locked --test abuse a_shop_works_on -- --nocapture
