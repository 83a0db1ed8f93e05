"""orderbell behind nginx, with the server block of docs/from-flask.md as it stands there."""

from urllib.parse import urljoin

import pytest

from nginx import API, DESK, nginx
from shop import EMAIL, PASSWORD, refusal

SUBMIT = "/api/order/submit"
ORDER = {"userId": "u1", "order": {"items": [{"name": "Apple", "price": 2.5, "quantity": 1}], "totalAmount": 2.5}}


@pytest.fixture(scope="module")
def names(quiet_shop):
    with nginx(quiet_shop) as names:
        yield names


@pytest.fixture
def desk(names):
    return names(DESK)


@pytest.fixture
def api(names):
    return names(API)


def test_events_come_at_once(api, old):
    """Each event arrives although nothing follows it: nginx doesn't wait for more."""
    with api.stream() as stream:
        for _ in range(3):
            stream.told("new_order", old.place())


def test_orders_are_placed_under_both_names(api, desk, old):
    for address in [api, desk]:
        number = address.place(ORDER)
        assert old.read(f"ORD{number}")["totalAmount"] == 2.5


def test_bodies_too_large_for_an_order_are_refused_by_orderbell(api):
    """nginx's own refusal is a page, which clients of the API can't read."""
    order = {**ORDER["order"], "notes": "x" * 150_000}
    refusal(api.submit({**ORDER, "order": order}), 413)


def test_the_client_cannot_choose_its_address(api, quiet_shop, old):
    claimed = {"X-Forwarded-For": "203.0.113.9"}
    # The server believes the header: only nginx keeps clients from choosing it.
    believed = quiet_shop.place(ORDER, headers=claimed)
    assert "submitSource" in old.read(f"ORD{believed}")
    replaced = api.place(ORDER, headers=claimed)
    assert "submitSource" not in old.read(f"ORD{replaced}"), "the client is on this machine"


def test_a_browser_signs_in_at_the_public_address(desk):
    public = f"https://{DESK}/"
    redirect = desk.get("/", bearer=None, allow_redirects=False)
    assert redirect.status_code == 303
    assert urljoin(public, redirect.headers["location"]) == f"{public}login"
    assert desk.get("/login", bearer=None).status_code == 200
    form = {"email": EMAIL, "password": PASSWORD}
    headers = {"Origin": public.rstrip("/")}
    begun = desk.call("POST", "/login", bearer=None, data=form, headers=headers, allow_redirects=False)
    assert begun.status_code == 303, begun.text
    assert urljoin(public, begun.headers["location"]) == public
    [cookie] = [cookie for cookie in begun.cookies if cookie.name == "__Host-desk"]
    assert cookie.secure
    page = desk.get("/", bearer=None, headers={"Cookie": f"{cookie.name}={cookie.value}"})
    assert page.status_code == 200
    assert "strict-transport-security" in page.headers
