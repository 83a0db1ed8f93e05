"""The old dashboard's requests about orders."""

import time
from datetime import datetime, timezone

import pytest

from conftest import fixture
from shop import ADMIN, EMAIL, Shop, eventually, refusal, same

LIST = "/api/admin/orders"
RECENT = "/api/admin/orders/recent"


def millis(*time_of_day):
    return int(datetime(*time_of_day, tzinfo=timezone.utc).timestamp() * 1000)


def shown(shop, *orders):
    """Waits until the listener has brought the orders: lists come from memory, a single order may come from the store."""
    eventually("the orders", lambda: set(orders) <= set(shop.ids(LIST)))


def test_an_order_is_read_whole(shop, old):
    number = shop.place(fixture("submit-phone.json"))
    order = shop.order(f"ORD{number}")
    assert same(order, {**old.read(f"ORD{number}"), "id": f"ORD{number}"})
    assert type(order["timestamp"]) is int and type(order["totalAmount"]) is float
    refusal(shop.get(f"{LIST}/ORD999999"), 404)


@pytest.fixture(scope="module")
def history(old, shop):
    """Orders of 2019, which no other test writes: one a day at noon in UTC, in three kinds of `timestamp`."""
    orders = []
    for day, (amount, status) in enumerate(
        [(1.5, "DELIVERED"), ("$20.00", "CANCELLED"), (30, "PENDING"), (40.25, "CONFIRMED"), (50.0, "DELIVERED")], 1
    ):
        noon = datetime(2019, 3, day, 12, tzinfo=timezone.utc)
        stamp = [millis(2019, 3, day, 12), float(millis(2019, 3, day, 12)), noon][day % 3]
        name = {"customerName": f"Nadia {day}", "phone": f"05550{day}", "items": [{"name": f"Melon {day}", "quantity": 1}]}
        orders.append(old.place(f"y2019-{day}", totalAmount=amount, status=status, timestamp=stamp, **name))
    shown(shop, *orders)
    yield orders
    for order in orders:
        old.orders.document(order).delete()


def of_2019(orders):
    return [order for order in orders if order.startswith("y2019-")]


def days(*numbers):
    return [f"y2019-{number}" for number in numbers]


def test_lists_have_the_newest_first_whatever_kind_of_time_they_have(shop, history):
    everything = shop.ids(LIST)
    assert of_2019(everything) == days(5, 4, 3, 2, 1)
    assert everything[-5:] == days(5, 4, 3, 2, 1)
    times = {order["id"]: order["timestamp"] for order in shop.json(LIST)["orders"] if order["id"] in history}
    assert times == {f"y2019-{day}": millis(2019, 3, day, 12) for day in range(1, 6)}


def test_limits_and_pages(shop, old, history):
    shown(shop, *(old.place() for _ in range(7)))
    everything = shop.ids(LIST)
    assert len(everything) >= 12
    assert shop.ids(f"{LIST}?limit=3") == everything[:3]
    assert shop.ids(f"{LIST}?limit=100000") == everything
    pages, path = [], f"{LIST}?limit=4"
    while path:
        page = shop.json(path)
        assert 1 <= len(page["orders"]) <= 4
        pages += [order["id"] for order in page["orders"]]
        path = page["next"] and f"{LIST}?limit=4&before={page['next']}"
    assert pages == everything
    assert shop.ids(f"{RECENT}?limit=3") == everything[:3]
    assert shop.ids(RECENT) == everything[:10]
    for limit in ["0", "-1", "ten", "1.5"]:
        refusal(shop.get(f"{LIST}?limit={limit}"), 400, field="limit")


@pytest.mark.parametrize("status", ["delivered", "DELIVERED", "Delivered,cancelled", "delivered,CANCELLED"])
def test_statuses_in_any_case(shop, history, status):
    wanted = days(5, 2, 1) if "cancelled" in status.lower() else days(5, 1)
    found = shop.json(f"{LIST}?status={status}")["orders"]
    assert of_2019(order["id"] for order in found) == wanted
    assert {order["status"] for order in found} <= {name.upper() for name in status.split(",")}
    refusal(shop.get(f"{LIST}?status=nope"), 400, field="status")


@pytest.mark.parametrize(
    "query, wanted",
    [
        ("date_to=2019-03-05", days(5, 4, 3, 2, 1)),
        ("date_from=2019-03-02&date_to=2019-03-04", days(4, 3, 2)),
        ("date_from=2019-03-03&date_to=2019-03-03", days(3)),
        ("date_to=2019-03-02", days(2, 1)),
        ("date_from=2019-03-06&date_to=2019-03-09", []),
        (f"date_from={millis(2019, 3, 2, 12)}&date_to={millis(2019, 3, 4, 12)}", days(4, 3, 2)),
        (f"date_from={millis(2019, 3, 2, 12) + 1}&date_to={millis(2019, 3, 4, 12) - 1}", days(3)),
        ("date_to=2019-03-05&min_amount=30", days(5, 4, 3)),
        ("date_to=2019-03-05&min_amount=20&max_amount=40.25", days(4, 3, 2)),
        ("date_to=2019-03-05&max_amount=1.49", []),
        ("date_to=2019-03-05&max_amount=1.5", days(1)),
        ("date_to=2019-03-05&status=delivered&min_amount=2", days(5)),
        ("date_to=2019-03-05&limit=2", days(5, 4)),
        ("q=y2019-3&date_to=2019-03-05", None),
        ("q=nadia%204", days(4)),
        ("q=055502", days(2)),
        ("q=MELON&date_to=2019-03-05", days(5, 4, 3, 2, 1)),
        ("q=melon%201", days(1)),
        ("q=nothing%20like%20it", []),
    ],
)
def test_filters(shop, history, query, wanted):
    found = shop.ids(f"{LIST}?{query}")
    # An order without `orderId` goes by its document's id.
    assert found == (days(3) if wanted is None else wanted)


def test_filtered_pages(shop, history):
    query = f"{LIST}?date_from=2019-03-02&date_to=2019-03-05&limit=3"
    pages, path = [], query
    while path:
        page = shop.json(path)
        pages.append([order["id"] for order in page["orders"]])
        path = page["next"] and f"{query}&before={page['next']}"
    assert pages[:2] == [days(5, 4, 3), days(2)]
    assert not any(pages[2:])


@pytest.mark.parametrize(
    "field, value",
    [
        ("date_from", "yesterday"),
        ("date_from", "2019-02-30"),
        ("date_to", "03/05/2019"),
        ("date_to", "-1.5"),
        ("min_amount", "much"),
        ("min_amount", "NaN"),
        ("max_amount", "inf"),
        ("q", "q" * 5000),
    ],
)
def test_filters_that_cannot_be_read_are_refused(shop, field, value):
    refusal(shop.get(f"{LIST}?{field}={value}"), 400, field=field)


def test_days_are_those_of_the_shops_time_zone(old, shop):
    """Algiers is an hour ahead of UTC all year round."""
    late = old.place("zone-late", status="DELIVERED", timestamp=millis(2018, 6, 1, 22, 59))
    early = old.place("zone-early", status="DELIVERED", timestamp=millis(2018, 6, 1, 23, 0))
    algiers = Shop(old, orderbell_shop__time_zone="Africa/Algiers")
    try:
        shown(algiers, late, early)
        day = "date_from=2018-06-{0:02}&date_to=2018-06-{0:02}"
        assert algiers.ids(f"{LIST}?{day.format(1)}") == [late]
        assert algiers.ids(f"{LIST}?{day.format(2)}") == [early]
    finally:
        algiers.stop()


def test_recent_answers_with_what_has_changed(shop, old):
    first = shop.get(RECENT)
    cursor = first.json()["cursor"]
    assert first.headers["etag"] == f'"{cursor}"'
    unchanged = shop.get(RECENT, headers={"If-None-Match": first.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    kept, gone = old.place(), old.place()
    shown(shop, kept, gone)
    old.orders.document(gone).delete()
    eventually("the removal", lambda: gone not in shop.ids(LIST))
    changes = shop.json(f"{RECENT}?since={cursor}")["orders"]
    assert [order["id"] for order in changes] == [kept, gone]
    assert same(changes[0], {**old.read(kept), "id": kept})
    assert changes[1] == {"id": gone, "removed": True}
    refusal(shop.get(f"{RECENT}?since=nonsense"), 400, field="since")


@pytest.mark.parametrize("path", ["/api/admin/dashboard-stats", "/api/admin/analytics"])
def test_figures(shop, path):
    before = shop.json(path)
    assert before.keys() == {"totalOrders", "totalRevenue", "statusCounts"}
    with shop.stream() as stream:
        number = shop.place({**fixture("submit-script.json")})
        stream.told("new_order", f"ORD{number}")
        after = shop.json(path)
        assert after["totalOrders"] == before["totalOrders"] + 1
        assert after["totalRevenue"] == pytest.approx(before["totalRevenue"] + 50.0)
        pending = before["statusCounts"].get("PENDING", 0)
        assert after["statusCounts"]["PENDING"] == pending + 1
        assert shop.put(f"ORD{number}", status="ON_WAY").status_code == 200
        stream.told("order_update", f"ORD{number}")
        moved = shop.json(path)["statusCounts"]
        assert (moved.get("PENDING", 0), moved["ON_WAY"]) == (pending, before["statusCounts"].get("ON_WAY", 0) + 1)
    assert shop.json("/api/admin/analytics") == shop.json("/api/admin/dashboard-stats")


STATUSES = (
    "PENDING CONFIRMED PREPARING_ORDER READY_FOR_PICKUP ON_WAY OUT_FOR_DELIVERY DELIVERED DELIVERY_ATTEMPT_FAILED "
    "COMPLETED CANCELLED RETURNED"
).split()


def test_every_status_can_be_set_from_every_other(shop, old):
    number = shop.place(fixture("submit-phone.json"))
    order = f"ORD{number}"
    shown(shop, order)
    before = old.read(order)
    with shop.stream() as stream:
        for status in [*STATUSES[1:], "PENDING"]:
            answer = shop.put(order, status=status)
            assert answer.status_code == 200, answer.text
            assert (answer.json()["success"], answer.json()["order"]["status"]) == (True, status)
            assert stream.told("order_update", order)["status"] == status
        stream.nothing_more()
    after = old.read(order)
    history = after.pop("statusHistory")
    assert [entry["status"] for entry in history] == [*STATUSES[1:], "PENDING"]
    assert {entry["by"] for entry in history} == {"Omar"} == {after.pop("updatedBy")}
    assert all(type(entry["at"]) is int for entry in history)
    assert same(after, before)
    refusal(shop.put(order, status="LOST"), 400, field="status")
    refusal(shop.put(order, status=5), 400, field="status")
    refusal(shop.put(order), 400)
    refusal(shop.put("ORD999999", status="CONFIRMED"), 404)


def test_a_driver_is_kept_under_the_names_that_the_app_reads(shop, old):
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    shown(shop, order)
    before = old.read(order)
    with shop.stream() as stream:
        answer = shop.put(order, status="OUT_FOR_DELIVERY", driverId="d-1", driverName="Yacine")
        assert answer.status_code == 200, answer.text
        stream.told("order_update", order)
        assert shop.put(order, driverName="Samir").status_code == 200
        stream.told("order_update", order)
    after = old.read(order)
    assert (after["status"], after["driverId"], after["driverName"]) == ("OUT_FOR_DELIVERY", "d-1", "Samir")
    kept = before.keys() - {"status"}
    assert same({name: after[name] for name in kept}, {name: before[name] for name in kept})
    assert [entry["status"] for entry in after["statusHistory"]] == ["OUT_FOR_DELIVERY"]
    whole = shop.order(order)
    assert (whole["driverId"], whole["driverName"]) == ("d-1", "Samir")


def test_the_desks_other_fields_are_kept_under_their_names(shop, old):
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    shown(shop, order)
    ready = int(time.time() * 1000) + 900_000
    fields = {"readyAt": ready, "cancelReason": "TOO_FAR", "cancelNote": "beyond the river", "staffNote": "rang twice"}
    with shop.stream() as stream:
        answer = shop.put(order, status="CANCELLED", itemsDone=[0, 1], **fields)
        assert answer.status_code == 200, answer.text
        # A single order comes from memory, where the listener brings the change.
        stream.told("order_update", order)
    document, whole = old.read(order), shop.order(order)
    for kept in [document, whole]:
        assert same({name: kept[name] for name in fields}, fields)
        assert same(kept["itemsDone"], [0, 1])
        assert kept["status"] == "CANCELLED"


@pytest.mark.parametrize(
    "field, value",
    [
        ("driverId", 7),
        ("driverName", "n" * 10_000),
        ("readyAt", "soon"),
        ("readyAt", -1),
        ("cancelReason", "BORED"),
        ("cancelNote", ["x"]),
        ("staffNote", "n" * 100_000),
        ("itemsDone", "all"),
        ("nonsense", True),
        ("Status", "CONFIRMED"),
    ],
)
def test_changes_that_cannot_be_made_are_refused_whole(shop, old, field, value):
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    before = old.read(order)
    refusal(shop.put(order, **{"status": "CONFIRMED", field: value}), 400, field=field)
    assert same(old.read(order), before)


def test_what_is_read_after_a_change_shows_it(shop, old):
    """The old dashboard reads the list again after each change."""
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    shown(shop, order)
    for status in ["CONFIRMED", "PREPARING_ORDER", "ON_WAY", "DELIVERED"] * 3:
        assert shop.put(order, status=status).status_code == 200
        listed = {found["id"]: found["status"] for found in shop.json(LIST)["orders"]}
        assert (listed[order], shop.order(order)["status"]) == (status, status)
    assert shop.call("DELETE", f"{LIST}/{order}").status_code == 200
    assert order not in shop.ids(LIST)


def test_a_stale_change_is_a_conflict_with_the_order_as_it_is(shop, old):
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    old.orders.document(order).update({"status": "CANCELLED"})
    error = refusal(shop.put(order, status="CONFIRMED", expectedStatus="PENDING"), 409)
    assert error["order"]["status"] == "CANCELLED"
    assert old.read(order)["status"] == "CANCELLED"
    # The old dashboard doesn't say what it expects, and wins, as today.
    assert shop.put(order, status="CONFIRMED").status_code == 200
    assert old.read(order)["status"] == "CONFIRMED"


def test_acknowledging_is_recorded(shop, old):
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    assert shop.put(order, acknowledged=True).status_code == 200
    after = old.read(order)
    assert (after["acknowledged"], after["acknowledgedBy"], after["status"]) == (True, "Omar", "PENDING")
    assert type(after["acknowledgedAt"]) is int


def test_a_removal_is_recorded(shop, old):
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    shown(shop, order)
    before = old.read(order)
    with shop.stream() as stream:
        answer = shop.call("DELETE", f"{LIST}/{order}")
        assert answer.status_code == 200 and answer.json()["success"] is True
        assert stream.told("order_removed", order) == {"id": order, "orderId": order}
    assert not old.orders.document(order).get().exists
    record = old.db.document(f"orderbell_removals/{order}").get().to_dict()
    assert record["removedBy"] == "Omar"
    assert same(record["order"], before)
    refusal(shop.call("DELETE", f"{LIST}/{order}"), 404)
    refusal(shop.get(f"{LIST}/{order}"), 404)


def test_health(shop):
    health = shop.json("/api/health", bearer=None)
    assert health["status"] == "healthy"
    assert type(health["timestamp"]) is int
    assert abs(health["timestamp"] - time.time() * 1000) < 10_000


def test_head_is_answered_wherever_get_is(shop):
    order = f"ORD{shop.place(fixture('submit-phone.json'))}"
    shown(shop, order)
    for path in ["/api/health", LIST, RECENT, f"{LIST}/{order}", f"{LIST}/ORD999999", "/api/admin/dashboard-stats",
                 "/api/admin/analytics", "/api/openapi.json", "/health/ready", "/login", "/api/nope"]:
        get, head = shop.get(path), shop.call("HEAD", path)
        assert (head.status_code, head.content) == (get.status_code, b""), path
        for name in ["content-type", "content-length"]:
            assert head.headers.get(name) == get.headers.get(name), (path, name)


def test_credentials_as_the_old_programs_present_them(shop):
    token = shop.token(EMAIL)
    for value in [token, f"Bearer {token}", f"Bearer {ADMIN}", ADMIN]:
        assert shop.get(LIST, bearer=None, headers={"Authorization": value}).status_code == 200, value
    for value in ["Bearer nobody-9", "nobody-9", f"Token {token}", "Basic YTpi", "Bearer"]:
        refusal(shop.get(LIST, bearer=None, headers={"Authorization": value}), 401)
    refusal(shop.get(LIST, bearer=None), 401)


def test_errors_are_json(shop):
    refusal(shop.get("/api/nope"), 404, code="NOT_FOUND")
    refusal(shop.get("/api/admin/nope"), 404, code="NOT_FOUND")
    refusal(shop.call("PATCH", LIST), 405)
    refusal(shop.call("POST", "/api/health"), 405)
    refusal(shop.call("PUT", f"{LIST}/ORD1", data="status=CONFIRMED"), 415)
    refusal(shop.call("PUT", f"{LIST}/ORD1", data="{", headers={"Content-Type": "application/json"}), 400)
    refusal(shop.get(f"{LIST}?before=nonsense"), 400, field="before")
