"""The phone app places orders."""

import threading
import time
import uuid

import pytest
import requests

from conftest import Firebase, fixture
from shop import refusal, same

# Beside what the client has sent, an order has these.
SERVER_FIELDS = {"orderId", "userId", "status", "timestamp", "submissionId"}


def kept(old, number, body, user):
    """Checks the document of a submit: the client's fields as they came, the server's own beside them."""
    order = old.read(f"ORD{number}")
    assert order["orderId"] == f"ORD{number}"
    assert order["userId"] == user
    assert order["status"] == "PENDING"
    assert type(order["timestamp"]) is int
    assert abs(order["timestamp"] - time.time() * 1000) < 60_000
    sent = {name: value for name, value in {**body, **body["order"]}.items() if name != "order"}
    for name, value in sent.items():
        if name not in SERVER_FIELDS:
            assert same(order[name], value), (name, order[name])
    assert order.keys() == sent.keys() | SERVER_FIELDS
    return order


@pytest.mark.parametrize("name", ["submit-phone.json", "submit-script.json"])
def test_orders_are_kept_as_they_came(shop, old, name):
    body = fixture(name)
    before = old.counters.get().to_dict() or {"orderCounter": 0}
    with shop.stream() as stream:
        number = shop.place(body)
        order = kept(old, number, body, body["userId"])
        assert stream.told("new_order", f"ORD{number}") == {
            "id": f"ORD{number}",
            "orderId": f"ORD{number}",
            "totalAmount": body["order"]["totalAmount"],
            "status": "PENDING",
            "timestamp": order["timestamp"],
            "customerName": "",
            "itemCount": len(body["order"]["items"]),
        }
    assert number == before["orderCounter"] + 1
    assert same(old.counters.get().to_dict()["orderCounter"], number)


@pytest.mark.parametrize("case", fixture("submit-variants.json"), ids=lambda case: case["why"])
def test_odd_orders_are_accepted(shop, old, case):
    body = case["body"]
    with shop.stream() as stream:
        number = shop.place(body)
        told = stream.told("new_order", f"ORD{number}")
    assert (told["totalAmount"], told["itemCount"]) == (case["total"], case["itemCount"])
    kept(old, number, body, "u-odd")
    whole = shop.order(f"ORD{number}")
    for name in body["order"]:
        assert same(whole[name], body["order"][name]), name


def placed(old):
    """What a submit would have left behind."""
    return old.counters.get().to_dict()


@pytest.mark.parametrize("case", fixture("submit-refused.json"), ids=lambda case: case["why"])
def test_wrong_orders_are_refused_with_the_fields_name(shop, old, case):
    before = placed(old)
    refusal(shop.submit(case["body"]), 400, field=case["field"], code="INVALID_ORDER")
    assert placed(old) == before


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_totals_that_are_no_numbers_are_refused(shop, old, number):
    before = placed(old)
    text = '{"userId":"u1","order":{"items":[{"name":"Apple","price":1,"quantity":1}],"totalAmount":%s}}' % number
    answer = shop.call("POST", "/api/order/submit", bearer=None, data=text, headers={"Content-Type": "application/json"})
    refusal(answer, 400, field="order.totalAmount")
    assert placed(old) == before


def test_orders_that_are_too_big_are_refused(shop, old):
    before = placed(old)
    item = {"name": "Apple", "price": 1, "quantity": 1}

    def with_items(items, **more):
        return {"userId": "u1", "order": {"items": items, "totalAmount": 1, **more}}

    refusal(shop.submit(with_items([item] * 501)), 400, field="order.items")
    refusal(shop.submit(with_items([{**item, "name": "a" * 201}])), 400, field="order.items[0].name")
    refusal(shop.submit(with_items([item], notes="n" * 2001)), 400, field="order.notes")
    refusal(shop.submit(with_items([item], x=["y" * 3000] * 30)), 413, code="BODY_TOO_LARGE")
    assert placed(old) == before
    number = shop.place(with_items([item] * 500, notes="n" * 2000))
    assert len(old.read(f"ORD{number}")["items"]) == 500


def test_other_bodies_than_json_are_refused(shop):
    submit = "/api/order/submit"
    refusal(shop.call("POST", submit, bearer=None, data={"userId": "u1"}), 415)
    json_head = {"Content-Type": "application/json"}
    refusal(shop.call("POST", submit, bearer=None, data="{", headers=json_head), 400)
    refusal(shop.call("POST", submit, bearer=None, data="[]", headers=json_head), 400, field="body")
    refusal(shop.call("GET", submit, bearer=None), 405)


def without_user(user):
    body = fixture("submit-token.json")
    assert "userId" not in body
    if user == "null":
        body["userId"] = None
    elif user == "inside the order":
        body["order"]["userId"] = "u1"
    elif user == "of another":
        body["userId"] = "another"
    return body


@pytest.mark.parametrize("user", ["absent", "null", "inside the order"])
def test_without_tokens_the_body_names_the_customer(shop, old, user):
    before = placed(old)
    refusal(shop.submit(without_user(user)), 400, field="userId")
    assert placed(old) == before


@pytest.mark.parametrize("user", ["absent", "null", "inside the order", "of another"])
def test_with_tokens_the_token_names_the_customer(token_shop, old, firebase, user):
    body = without_user(user)
    headers = {"Authorization": f"Bearer {firebase.token()}"}
    number = token_shop.place(body, headers=headers)
    order = kept(old, number, body, "phone-user")
    assert same(order["totalAmount"], 20.0)


def test_tokens_may_come_without_the_word_bearer(token_shop, old, firebase):
    number = token_shop.place(fixture("submit-token.json"), headers={"Authorization": firebase.token("u-7")})
    assert old.read(f"ORD{number}")["userId"] == "u-7"


def test_odd_orders_are_accepted_with_tokens_too(token_shop, old, firebase):
    headers = {"Authorization": f"Bearer {firebase.token()}"}
    for case in fixture("submit-variants.json"):
        kept(old, token_shop.place(case["body"], headers=headers), case["body"], "phone-user")
    refusal(token_shop.submit(fixture("submit-refused.json")[0]["body"], headers=headers), 400, field="order.totalAmount")


def test_wrong_tokens_place_nothing(token_shop, old, firebase):
    before = placed(old)
    body = fixture("submit-token.json")
    now = int(time.time())
    refusal(token_shop.submit(body), 401)
    signature = firebase.token().rsplit(".", 1)[0] + "."
    for wrong in [
        firebase.token(aud="another", iss="https://securetoken.google.com/another"),
        firebase.token(exp=now - 120),
        firebase.token(user=""),
        firebase.token(key=Firebase().key),
        signature,
        "not a token",
    ]:
        refusal(token_shop.submit(body, headers={"Authorization": f"Bearer {wrong}"}), 401)
    assert placed(old) == before


def test_a_repeat_gets_the_first_answer(shop, token_shop, old, firebase):
    phone, script = fixture("submit-phone.json"), fixture("submit-script.json")
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with shop.stream() as stream:
        first = shop.place(phone, headers=key)
        assert [shop.place(phone, headers=key) for _ in range(3)] == [first] * 3
        refusal(shop.submit(script, headers=key), 422, code="KEY_REUSED")
        refusal(shop.submit({**phone, "userId": "another"}, headers=key), 422, code="KEY_REUSED")
        stream.told("new_order", f"ORD{first}")
        stream.nothing_more()
    assert shop.place(phone) == first + 1
    # Through another server on the same database, and for a token's customer.
    by_token = {"Authorization": f"Bearer {firebase.token('a')}", "Idempotency-Key": str(uuid.uuid4())}
    numbers = {token_shop.place(fixture("submit-token.json"), headers=by_token) for _ in range(2)}
    assert numbers == {first + 2}
    another = {**by_token, "Authorization": f"Bearer {firebase.token('b')}"}
    refusal(token_shop.submit(fixture("submit-token.json"), headers=another), 422, code="KEY_REUSED")


def test_repeats_at_the_same_time_place_one_order(shop, old):
    body, key = fixture("submit-phone.json"), {"Idempotency-Key": str(uuid.uuid4())}
    before = placed(old)["orderCounter"]
    answers = []

    def send():
        answers.append(requests.post(f"{shop.base}/api/order/submit", json=body, headers=key, timeout=30).json())

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [{"success": True, "orderId": f"ORD{before + 1}", "orderNumber": before + 1}] * 8
    assert placed(old)["orderCounter"] == before + 1
