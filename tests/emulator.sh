# Google's Firestore emulator for the tests; to be sourced by bash.
#
#   source tests/emulator.sh
#   emulator_start            # exports FIRESTORE_EMULATOR_HOST, unless it is set already
#   cargo test --test store
#   emulator_stop             # ends the emulator that emulator_start has started, and no other

EMULATOR_PID=""

emulator_start() {
    if [ -n "${FIRESTORE_EMULATOR_HOST:-}" ]; then
        echo "using the Firestore emulator at $FIRESTORE_EMULATOR_HOST"
        return 0
    fi
    if ! command -v gcloud >/dev/null; then
        echo "gcloud is not installed: see docs/firestore.md, 'The emulator'" >&2
        return 1
    fi
    local port log pid waited=0
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])') || return 1
    log=$(mktemp)
    pid=$(mktemp)
    # A session of its own: the emulator is a shell, a Python and a Java process, and all of them have to end. Its leader
    # says who it is, since setsid forks in some shells and not in others.
    setsid bash -c 'echo $$ >"$1"; exec gcloud emulators firestore start --host-port="127.0.0.1:$2"' _ "$pid" "$port" \
        >"$log" 2>&1 &
    until [ -s "$pid" ]; do sleep 0.1; done
    EMULATOR_PID=$(cat "$pid")
    rm -f "$pid"
    until curl --silent --output /dev/null --max-time 2 "http://127.0.0.1:$port/"; do
        waited=$((waited + 1))
        if [ "$waited" -gt 120 ] || ! kill -0 "$EMULATOR_PID" 2>/dev/null; then
            echo "the Firestore emulator doesn't start:" >&2
            tail -n 20 "$log" >&2
            emulator_stop
            return 1
        fi
        sleep 0.5
    done
    export FIRESTORE_EMULATOR_HOST="127.0.0.1:$port"
    echo "Firestore emulator at $FIRESTORE_EMULATOR_HOST (pid $EMULATOR_PID, log $log)"
}

emulator_stop() {
    if [ -n "$EMULATOR_PID" ]; then
        # Negative: the whole session.
        kill -- "-$EMULATOR_PID" 2>/dev/null
        local waited=0
        while kill -0 -- "-$EMULATOR_PID" 2>/dev/null && [ "$waited" -lt 50 ]; do
            waited=$((waited + 1))
            sleep 0.2
        done
        EMULATOR_PID=""
        unset FIRESTORE_EMULATOR_HOST
    fi
}
