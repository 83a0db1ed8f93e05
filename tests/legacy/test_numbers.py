"""Numbers, which an old program counts in transactions of its own on the same document."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.cloud import firestore

from conftest import fixture
from shop import refusal, same

# Few: the emulator makes transactions on one document wait for each other's locks, seconds at a time, so that a submit may
# even be answered with 504.
EACH = 5


def place_as_the_old_api(old):
    """Takes the next number in a transaction, and writes the order when it has it."""

    @firestore.transactional
    def next_number(transaction):
        found = old.counters.get(transaction=transaction)
        number = ((found.to_dict() or {}).get("orderCounter") or 0) + 1
        transaction.set(old.counters, {"orderCounter": number}, merge=True)
        return number

    number = next_number(old.db.transaction(max_attempts=100))
    old.place(f"ORD{number}", orderId=f"ORD{number}", writer="old")
    return number


def place_until_it_is_placed(shop):
    """Repeats as the API tells clients to: 503 means that nothing was placed, 504 that the key tells."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    while True:
        answer = shop.submit(fixture("submit-script.json"), headers=key)
        if answer.status_code == 200:
            return answer.json()["orderNumber"]
        assert answer.status_code in (503, 504), answer.text
        refusal(answer, answer.status_code)


def test_no_number_is_given_out_twice(other):
    shop, old = other
    old.counters.set({"orderCounter": 41, "invoiceCounter": 7})
    with shop.stream() as stream, ThreadPoolExecutor(2) as theirs_pool, ThreadPoolExecutor(2) as ours_pool:
        theirs = [theirs_pool.submit(place_as_the_old_api, old) for _ in range(EACH)]
        ours = [ours_pool.submit(place_until_it_is_placed, shop) for _ in range(EACH)]
        theirs, ours = ([one.result() for one in both] for both in (theirs, ours))
        assert sorted(theirs + ours) == list(range(42, 42 + 2 * EACH))
        told = [stream.order() for _ in range(2 * EACH)]
        assert {event.name for event in told} == {"new_order"}
        assert sorted(event.data["id"] for event in told) == sorted(f"ORD{number}" for number in theirs + ours)
        stream.nothing_more()
    for number in theirs:
        assert old.read(f"ORD{number}")["writer"] == "old"
    for number in ours:
        assert old.read(f"ORD{number}")["userId"] == "test-user"
    assert same(old.counters.get().to_dict(), {"orderCounter": 41 + 2 * EACH, "invoiceCounter": 7})


@pytest.mark.parametrize("counter", [None, {}, {"orderCounter": 12}, {"orderCounter": 12.0}, {"orderCounter": None}])
def test_counting_goes_on_from_whatever_there_is(other, counter):
    shop, old = other
    if counter is not None:
        old.counters.set(counter)
    first = 13 if counter and counter["orderCounter"] else 1
    assert shop.place(fixture("submit-phone.json")) == first
    assert same(old.counters.get().to_dict(), {"orderCounter": first})
    assert place_as_the_old_api(old) == first + 1
    assert shop.place(fixture("submit-phone.json")) == first + 2


def test_an_order_that_was_written_without_counting_is_not_overwritten(other):
    shop, old = other
    for number in [1, 2, 3]:
        old.place(f"ORD{number}", writer="script")
    assert shop.place(fixture("submit-phone.json")) == 4
    assert [old.read(f"ORD{number}")["writer"] for number in [1, 2, 3]] == ["script"] * 3
