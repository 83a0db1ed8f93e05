"""The event stream as the old dashboard's proxy and scripts read it."""

import json
import subprocess
import threading
import time

import pytest
import requests

from shop import ADMIN, EMAIL, STREAM, refusal


def test_the_head_is_that_of_an_event_stream(shop):
    with shop.stream() as stream:
        headers = stream.answer.headers
        assert headers["content-type"].split(";")[0] == "text/event-stream"
        assert headers["cache-control"] == "no-cache, no-transform"
        assert headers["x-accel-buffering"] == "no"
        assert stream.connected.lines[0].startswith("retry: ")
        assert stream.connected.lines[-1] == 'data: {"type":"connected"}'


@pytest.mark.parametrize("coding", ["gzip, deflate", "identity"])
def test_events_come_at_once(quiet_shop, old, coding):
    """Each event arrives although nothing follows it: no buffer on the way waits for more."""
    with quiet_shop.stream(headers={"Accept-Encoding": coding}) as stream:
        assert stream.answer.headers.get("content-encoding", "identity") in coding
        for _ in range(3):
            order = old.place()
            assert stream.told("new_order", order)["totalAmount"] == 5.5


# In the order of what may go wrong: nothing, the charset, what Python counts as the end of a line.
NAMES = ["Ana", "Zoë", "فريزلي", "ą…", "line\u2028two", "one\u0085two"]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_decoded_lines_are_whole(shop, old, name):
    """`iter_lines(decode_unicode=True)` gives the text that was written, and one line for each line."""
    answer = shop.get(STREAM, stream=True)
    # Heartbeats would keep a stream without the order open for ever.
    watchdog = threading.Timer(60, answer.close)
    watchdog.start()
    lines = answer.iter_lines(decode_unicode=True)
    assert next(lines).startswith("retry: ")
    order = old.place(customerName=name)
    end = old.place(customerName="the end")
    read = []
    for line in lines:
        read.append(line)
        if end in line and line.startswith("data: "):
            break
    watchdog.cancel()
    answer.close()
    data = [line.removeprefix("data: ") for line in read if order in line and line.startswith("data: ")]
    assert len(data) == 1, read
    assert json.loads(data[0])["customerName"] == name


def test_curl_sees_the_words_that_scripts_look_for(shop, old):
    command = ["curl", "--silent", "--no-buffer", "--include", "-H", f"Authorization: Bearer {ADMIN}", shop.base + STREAM]
    curl = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = []

    def until(wanted):
        for line in curl.stdout:
            lines.append(line.rstrip("\r\n"))
            if lines[-1] == wanted:
                return
        raise AssertionError((wanted, lines))

    watchdog = threading.Timer(60, curl.kill)
    watchdog.start()
    try:
        until('data: {"type":"connected"}')
        assert lines[0] == "HTTP/1.1 200 OK"
        order = old.place()
        until("event: new_order")
        data = curl.stdout.readline()
        assert json.loads(data.removeprefix("data: "))["id"] == order
        until(": heartbeat")
        assert curl.stdout.readline() == "event: heartbeat\n"
    finally:
        watchdog.cancel()
        curl.kill()
        curl.wait()


def test_a_heartbeat_has_the_servers_time_and_the_heads_position(shop, old):
    with shop.stream() as stream:
        order = old.place()
        stream.told("new_order", order)
        beat = stream.next()
        assert beat.name == "heartbeat"
        assert beat.lines[0] == ": heartbeat"
        assert beat.position == stream.last
        assert abs(beat.data["serverTime"] - time.time() * 1000) < 10_000


def test_a_reader_that_comes_back_has_missed_nothing(shop, old):
    with shop.stream() as stream:
        first = old.place()
        stream.told("new_order", first)
        seen = stream.last
    last = f"{seen[0]}-{seen[1]}"
    away = [old.place() for _ in range(3)]
    old.orders.document(first).update({"status": "CONFIRMED"})
    with shop.resumed(last) as stream:
        assert [stream.told("new_order", order)["id"] for order in away] == away
        assert stream.told("order_update", first)["status"] == "CONFIRMED"
        stream.nothing_more()


def test_streams_are_for_admins(shop, old):
    for answer in [
        shop.get(STREAM, bearer=None),
        shop.get(STREAM, bearer="nobody-9"),
        shop.get("/api/stream-orders", bearer=None),
    ]:
        refusal(answer, 401)
    token = shop.token(EMAIL)
    order = old.place()
    for headers in [{"Authorization": token}, {"Authorization": f"Bearer {token}"}, {"Authorization": ADMIN}]:
        with shop.stream(bearer=None, headers=headers) as stream:
            old.orders.document(order).update({"note": str(headers)})
            stream.told("order_update", order)


def test_the_dashboards_own_stream_takes_the_cookie(shop, old):
    with shop.stream("/api/stream-orders", bearer=None, headers=shop.cookie(EMAIL)) as stream:
        order = old.place()
        stream.told("new_order", order)


def test_a_status_narrows_the_stream(shop, old):
    with shop.stream(f"{STREAM}?status=confirmed,On_Way") as stream:
        order = old.place()
        old.orders.document(order).update({"status": "CONFIRMED"})
        told = stream.order()
        assert (told.data["id"], told.data["status"]) == (order, "CONFIRMED")
        old.orders.document(order).update({"status": "DELIVERED"})
        # It leaves the set, which the reader has to know.
        assert stream.told("order_update", order)["status"] == "DELIVERED"
    refusal(shop.get(f"{STREAM}?status=NOPE"), 400, field="status")
    assert requests.head(shop.base + STREAM, headers={"Authorization": f"Bearer {ADMIN}"}, timeout=10).status_code == 405
