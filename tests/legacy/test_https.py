"""The server's own HTTPS, with requests as old scripts use it."""

import pytest
import requests

from shop import EMAIL, PASSWORD, STREAM, Address, Stream

ORDER = {"userId": "u1", "order": {"items": [{"name": "Apple", "price": 2.5, "quantity": 1}], "totalAmount": 2.5}}


def test_the_certificate_is_checked(tls_shop):
    with pytest.raises(requests.exceptions.SSLError):
        Address(tls_shop.old, tls_shop.base).get("/api/health", bearer=None)


def test_a_script_signs_in_lists_and_changes_orders(tls_shop, old):
    token = tls_shop.token()
    order = f"ORD{tls_shop.place(ORDER)}"
    assert old.read(order)["totalAmount"] == 2.5
    with tls_shop.stream():
        assert order in tls_shop.ids("/api/admin/orders", bearer=token)
    assert tls_shop.call("PUT", f"/api/admin/orders/{order}", bearer=token, json={"status": "CONFIRMED"}).status_code == 200
    assert old.read(order)["status"] == "CONFIRMED"


def test_the_cookie_needs_https(tls_shop):
    form, headers = {"email": EMAIL, "password": PASSWORD}, {"Origin": tls_shop.base}
    answer = tls_shop.call("POST", "/login", bearer=None, data=form, headers=headers, allow_redirects=False)
    assert answer.status_code == 303, answer.text
    [cookie] = [cookie for cookie in answer.cookies if cookie.name == "__Host-desk"]
    assert (cookie.secure, cookie.path, cookie.domain_specified) == (True, "/", False)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_stream_is_resumed_and_has_missed_nothing(tls_shop, old, coding):
    """Each event arrives although nothing follows it: neither TLS nor gzip waits for more."""
    coding = {"Accept-Encoding": coding}
    with tls_shop.stream(headers=coding) as stream:
        assert stream.answer.headers.get("content-encoding", "identity") == coding["Accept-Encoding"]
        for _ in range(3):
            stream.told("new_order", order := old.place())
        seen = stream.last
    away = [old.place() for _ in range(3)]
    old.orders.document(order).update({"status": "CONFIRMED"})
    last = {"Last-Event-ID": f"{seen[0]}-{seen[1]}", **coding}
    with Stream(tls_shop, STREAM, headers=last) as stream:
        for new in away:
            stream.told("new_order", new)
        assert stream.told("order_update", order)["status"] == "CONFIRMED"
        stream.nothing_more()
