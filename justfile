# Tasks of everyday work; `bash tests/run.sh` is what a change has to pass.

# Formats, lints, and lints again with each feature.
check:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    cargo clippy --locked --lib --tests --features shuttle -- -D warnings
    cargo clippy --locked --lib --features fuzzing -- -D warnings

# All tests, on a Debian machine.
test:
    bash tests/run.sh

# The benchmarks.
bench *options:
    cargo bench --locked -- {{ options }}

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
