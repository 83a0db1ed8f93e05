"""Phones and scripts write to `orders` directly."""

import time
from datetime import datetime, timedelta, timezone

import pytest
from google.cloud import firestore

from conftest import new_old
from shop import STREAM, Shop, refusal, same

LIST = "/api/admin/orders"
RECENT = "/api/admin/orders/recent"
NOON = datetime(2026, 2, 23, 10, 25, 12, 345678, tzinfo=timezone.utc)
NOON_MILLIS = 1771842312345


def now():
    return int(time.time() * 1000)


@pytest.mark.parametrize(
    "kind, written, told",
    [
        ("integer", NOON_MILLIS, NOON_MILLIS),
        ("double", NOON_MILLIS + 0.678, NOON_MILLIS),
        ("datetime", NOON, NOON_MILLIS),
        ("another zone", NOON.astimezone(timezone(timedelta(hours=1))), NOON_MILLIS),
        ("the server's", firestore.SERVER_TIMESTAMP, None),
        ("years ahead", 4102444800000, None),
    ],
)
def test_every_kind_of_time_is_told_once(shop, old, kind, written, told):
    with shop.stream() as stream:
        order = old.place(timestamp=written, customerName=kind)
        event = stream.told("new_order", order)
        if told is None:
            # The commit time, which is this moment.
            assert abs(event["timestamp"] - time.time() * 1000) < 60_000
        else:
            assert event["timestamp"] == told
        assert type(event["timestamp"]) is int
        assert event["customerName"] == kind
        stream.nothing_more()
    whole = shop.order(order)
    if isinstance(written, (int, float)):
        assert same(whole["timestamp"], written)
    else:
        assert same(whole["timestamp"], event["timestamp"])
    if told is None:
        assert shop.ids(f"{RECENT}?limit=1") == [order] == shop.ids(f"{LIST}?limit=1")
    else:
        assert order in shop.ids(LIST)


def test_random_ids_keep_the_order_id_inside(shop, old):
    with shop.stream() as stream:
        _, added = old.orders.add({"orderId": "ORD-by-phone", "status": "PENDING", "totalAmount": 7, "timestamp": now()})
        told = stream.told("new_order", added.id)
        assert (told["orderId"], told["totalAmount"]) == ("ORD-by-phone", 7)
        odd = "name with spaces, ünïcode & %2F"
        old.place(odd)
        stream.told("new_order", odd)
        assert shop.order("name%20with%20spaces%2C%20%C3%BCn%C3%AFcode%20%26%20%252F")["id"] == odd
        old.orders.document(added.id).delete()
        stream.told("order_removed", added.id)


def rich(old):
    """Fields of every type, JSON's and others."""
    return {
        "timestamp": NOON,
        "totalAmount": 50.0,
        "count": 3,
        "half": 0.5,
        "nothing": None,
        "paid": True,
        "deliveryLocation": firestore.GeoPoint(36.7538, 3.0588),
        "driver": old.db.document("drivers/d1"),
        "signature": b"\x00\x01\x02\x03",
        "rate": float("inf"),
        "promisedAt": NOON + timedelta(microseconds=1),
        "items": [{"name": "Apple", "price": 10.0, "quantity": 5, "product": old.db.document("products/p1"), "at": NOON}],
        "customer": {"name": "Ana", "since": NOON, "home": firestore.GeoPoint(1.0, 2.0)},
    }


def test_every_type_is_shown(shop, old):
    order = old.place(**rich(old))
    with shop.stream():
        pass  # The order has come to the server.
    whole = shop.order(order)
    expected = {
        "id": order,
        "userId": "u1",
        "status": "PENDING",
        "timestamp": NOON_MILLIS,
        "totalAmount": 50.0,
        "count": 3,
        "half": 0.5,
        "nothing": None,
        "paid": True,
        "deliveryLocation": {"latitude": 36.7538, "longitude": 3.0588},
        "driver": "drivers/d1",
        "signature": "AAECAw==",
        "rate": "Infinity",
        "promisedAt": "2026-02-23T10:25:12.345679Z",
        "items": [
            {"name": "Apple", "price": 10.0, "quantity": 5, "product": "products/p1", "at": "2026-02-23T10:25:12.345678Z"}
        ],
        "customer": {
            "name": "Ana",
            "since": "2026-02-23T10:25:12.345678Z",
            "home": {"latitude": 1.0, "longitude": 2.0},
        },
    }
    assert same(whole, expected), whole


def test_our_changes_leave_every_type_as_it_is(shop, old):
    order = old.place(**rich(old))
    before = old.read(order)
    for change in [{"status": "CONFIRMED"}, {"acknowledged": True}, {"status": "DELIVERED"}, {"acknowledged": False}]:
        assert shop.put(order, **change).status_code == 200
    after = old.read(order)
    for name in before.keys() - {"status"}:
        assert same(after[name], before[name]), name
    assert after.keys() - before.keys() == {"acknowledged", "statusHistory", "historyCheckedAt", "updatedBy"}
    assert after["status"] == "DELIVERED"


def test_a_history_that_an_old_program_has_begun_keeps_its_types(shop, old):
    begun = [
        {"status": "PENDING", "timestamp": NOON, "note": "by phone", "where": firestore.GeoPoint(1.0, 2.0)},
        {"status": "CONFIRMED", "timestamp": NOON_MILLIS, "weight": 2.0},
    ]
    order = old.place(status="CONFIRMED", statusHistory=begun)
    before = old.read(order)["statusHistory"]
    assert shop.put(order, status="ON_WAY").status_code == 200
    after = old.read(order)["statusHistory"]
    assert len(after) == 3
    assert same(after[:2], before), after
    assert (after[2]["status"], after[2]["by"], type(after[2]["at"])) == ("ON_WAY", "Omar", int)


def test_transforms_are_told(shop, old):
    with shop.stream() as stream:
        order = old.place(totalAmount=10.0, items=[{"name": "Apple", "quantity": 1}], visits=1)
        stream.told("new_order", order)
        document = old.orders.document(order)
        document.update({"items": firestore.ArrayUnion([{"name": "Dates", "quantity": 2}])})
        assert stream.told("order_update", order)["itemCount"] == 2
        document.update({"totalAmount": firestore.Increment(2.5), "visits": firestore.Increment(1)})
        assert stream.told("order_update", order)["totalAmount"] == 12.5
        document.update({"items": firestore.ArrayRemove([{"name": "Apple", "quantity": 1}])})
        assert stream.told("order_update", order)["itemCount"] == 1
        document.update({"customer.phone": "0555", "seen": firestore.SERVER_TIMESTAMP, "visits": firestore.DELETE_FIELD})
        stream.told("order_update", order)
        document.set({"customerName": "Ana"}, merge=True)
        assert stream.told("order_update", order)["customerName"] == "Ana"
        stream.nothing_more()
    whole = shop.order(order)
    assert (whole["totalAmount"], whole["items"]) == (12.5, [{"name": "Dates", "quantity": 2}])
    assert whole["customer"] == {"phone": "0555"}
    assert whole["seen"].startswith("20") and "visits" not in whole


def test_a_transaction_is_told_as_a_whole(shop, old):
    first, second = old.place(status="PENDING"), old.place(status="PENDING")
    gone, new = old.place(), old.orders.document()

    @firestore.transactional
    def swap(transaction):
        statuses = [old.orders.document(order).get(transaction=transaction).get("status") for order in [first, second]]
        assert statuses == ["PENDING", "PENDING"]
        transaction.update(old.orders.document(first), {"status": "CONFIRMED"})
        transaction.update(old.orders.document(second), {"status": "CANCELLED"})
        transaction.set(new, {"status": "PENDING", "totalAmount": 1, "timestamp": now()})
        transaction.delete(old.orders.document(gone))

    with shop.stream() as stream:
        swap(old.db.transaction())
        told = [stream.order() for _ in range(4)]
        stream.nothing_more()
    assert {(event.name, event.data["id"], event.data.get("status")) for event in told} == {
        ("order_update", first, "CONFIRMED"),
        ("order_update", second, "CANCELLED"),
        ("new_order", new.id, "PENDING"),
        ("order_removed", gone, None),
    }
    # One commit has one time; the removal, which Firestore tells without one, comes after it.
    changes = [event for event in told if event.name != "order_removed"]
    assert len({event.position[0] for event in changes}) == 1
    assert told[-1].name == "order_removed"


def test_removals_by_others_are_told_and_recorded(shop, old):
    with shop.stream() as stream:
        order = old.place("ORD-gone")
        stream.told("new_order", order)
        old.orders.document(order).delete()
        assert stream.told("order_removed", order) == {"id": order, "orderId": "ORD-gone"}
        refusal(shop.get(f"{LIST}/{order}"), 404)
        assert order not in shop.ids(LIST)
        record = old.db.document(f"orderbell_removals/{order}").get().to_dict()
        assert set(record) == {"removedAt"}
        # Written again under the same id, it is a new order.
        old.place(order, totalAmount=6.5)
        assert stream.told("new_order", order)["totalAmount"] == 6.5
        stream.nothing_more()
    assert shop.order(order)["totalAmount"] == 6.5


def test_an_order_cancelled_by_a_phone(shop, old):
    with shop.stream() as stream:
        order = old.place()
        stream.told("new_order", order)
        old.orders.document(order).update({"status": "CANCELLED", "cancelledBy": "customer"})
        assert stream.told("order_update", order)["status"] == "CANCELLED"
        stream.nothing_more()
    assert shop.order(order)["cancelledBy"] == "customer"
    assert order in shop.ids(f"{LIST}?status=cancelled")
    assert order not in shop.ids(f"{LIST}?status=pending")
    refusal(shop.put(order, status="CONFIRMED", expectedStatus="PENDING"), 409)


def changed_by_omar_and_then_cancelled(shop, old):
    with shop.stream() as stream:
        order = old.place()
        stream.told("new_order", order)
        assert shop.put(order, status="CONFIRMED").status_code == 200
        stream.told("order_update", order)
        history = old.read(order)["statusHistory"]
        assert [(entry["status"], entry["by"]) for entry in history] == [("CONFIRMED", "Omar")]
        old.orders.document(order).update({"status": "CANCELLED"})
        stream.told("order_update", order)
    return order, history


def card(shop, order):
    (found,) = [one for one in shop.json(f"{RECENT}?view=desk&limit=500")["orders"] if one["id"] == order]
    return found


def test_the_desk_does_not_name_an_admin_for_what_a_phone_did(shop, old):
    order, history = changed_by_omar_and_then_cancelled(shop, old)
    shown = card(shop, order)
    assert (shown["status"], shown["changedBy"], shown["changedElsewhere"]) == ("CANCELLED", None, True)
    # The history tells what Omar did, and nothing has touched it.
    assert same(shop.order(order)["statusHistory"], history) and same(old.read(order)["statusHistory"], history)
    # What an admin does afterwards bears a name again.
    with shop.stream() as stream:
        assert shop.put(order, status="RETURNED").status_code == 200
        stream.told("order_update", order)
    shown = card(shop, order)
    assert (shown["status"], shown["changedBy"], shown.get("changedElsewhere", False)) == ("RETURNED", "Omar", False)


@pytest.mark.parametrize("query", ["", "?batch=200"])
def test_orders_that_come_and_go_at_once_are_not_passed_over_in_silence(query):
    """More finished orders in one commit than the window holds: the listener is sent the newest only."""
    old = new_old()
    shop = Shop(old, orderbell_store__window="50")
    try:
        with shop.stream(STREAM + query) as stream:
            batch = old.db.batch()
            for number in range(300):
                fields = {"status": "DELIVERED", "totalAmount": 1, "timestamp": now() + number}
                batch.set(old.orders.document(f"many-{number:03}"), fields)
            batch.commit()
            told = stream.next(60)
            assert told.name == "reset", told
            assert set(shop.ids(f"{RECENT}?limit=50")) == {f"many-{number}" for number in range(250, 300)}
            # From here on all is told again.
            order = old.place(timestamp=now() + 1000)
            after = stream.next(60)
            assert order in str(after), after
    finally:
        shop.stop()


def test_a_batch_of_500_is_told_once_each(other):
    shop, old = other
    documents = [old.orders.document(f"batch-{number:03}") for number in range(500)]
    ids = [document.id for document in documents]

    def commit(write):
        batch = old.db.batch()
        for number, document in enumerate(documents):
            write(batch, number, document)
        batch.commit()

    def told(name):
        events = [stream.order(60) for _ in documents]
        assert {event.name for event in events} == {name}
        return events

    with shop.stream() as stream:
        fields = {"status": "PENDING", "totalAmount": 1.5}
        commit(lambda batch, number, document: batch.set(document, {**fields, "timestamp": NOON_MILLIS + number}))
        events = told("new_order")
        # Written together, they stand at one time, in the order of their ids.
        assert [event.data["id"] for event in events] == ids
        assert len({event.position[0] for event in events}) == 1
        assert shop.ids(LIST) == ids[::-1]
        assert shop.json("/api/admin/dashboard-stats") == {
            "totalOrders": 500,
            "totalRevenue": 750.0,
            "statusCounts": {"PENDING": 500},
        }
        commit(lambda batch, _, document: batch.update(document, {"status": "DELIVERED"}))
        assert [(event.data["id"], event.data["status"]) for event in told("order_update")] == [(id, "DELIVERED") for id in ids]
        stream.nothing_more()
        commit(lambda batch, _, document: batch.delete(document))
        assert sorted(event.data["id"] for event in told("order_removed")) == ids
        stream.nothing_more()
    assert shop.ids(LIST) == []
