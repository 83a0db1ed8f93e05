"""orderbell behind proxies that are set up as the documentation says."""

import uuid
from urllib.parse import urljoin

import pytest

from proxies import API, DESK, caddy_of, nginx_of, proxy
from shop import EMAIL, PASSWORD, refusal

ORDER = {"userId": "u1", "order": {"items": [{"name": "Apple", "price": 2.5, "quantity": 1}], "totalAmount": 2.5}}
# Each with the name of the API that it serves.
PROXIES = {
    "nginx of from-flask.md": (nginx_of("from-flask.md"), API),
    "nginx of https.md": (nginx_of("https.md"), DESK),
    "Caddy of https.md": (caddy_of("https.md"), DESK),
}


@pytest.fixture(scope="module", params=PROXIES.values(), ids=PROXIES.keys())
def names(request, quiet_shop):
    configured, api = request.param
    with proxy(quiet_shop, configured) as address:
        yield lambda host, *more: address(api if host == API else host, *more)


@pytest.fixture
def desk(names):
    return names(DESK)


@pytest.fixture
def api(names):
    return names(API)


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_events_come_at_once(api, old, coding):
    """Each event arrives although nothing follows it: the proxy doesn't wait for more."""
    with api.stream(headers={"Accept-Encoding": coding}) as stream:
        assert stream.answer.headers.get("content-encoding", "identity") == coding
        for _ in range(3):
            stream.told("new_order", old.place())


def test_orders_are_placed_under_both_names(api, desk, old):
    for address in [api, desk]:
        number = address.place(ORDER)
        assert old.read(f"ORD{number}")["totalAmount"] == 2.5


def test_bodies_too_large_for_an_order_are_refused_by_orderbell(api):
    """The proxy's own refusal is a page, which clients of the API can't read."""
    order = {**ORDER["order"], "notes": "x" * 150_000}
    refusal(api.submit({**ORDER, "order": order}), 413)


def test_the_client_cannot_choose_its_address(names, quiet_shop, old):
    claimed = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
    # The server believes the header: only the proxy keeps clients from choosing it.
    believed = quiet_shop.place(ORDER, headers=claimed)
    assert "submitSource" in old.read(f"ORD{believed}")
    client = names(API, "127.0.0.2")
    replaced = client.place(ORDER, headers=claimed)
    assert "submitSource" not in old.read(f"ORD{replaced}"), "the client is on this machine"
    with client.stream(headers=claimed):
        screens = client.json("/api/admin/screens")["screens"]
        assert "127.0.0.2" in [screen["address"] for screen in screens]
        assert "203.0.113.9" not in [screen["address"] for screen in screens]


def test_guesses_are_counted_for_the_clients_own_address(names):
    # An account for each proxy, so that none inherits the other's count.
    body = {"email": f"{uuid.uuid4()}@shop.example", "password": "wrong"}

    def guess(client, number):
        claimed = {"X-Forwarded-For": f"203.0.113.{number}"}
        return client.call("POST", "/api/admin/login", bearer=None, json=body, headers=claimed).status_code

    # Waits double with each guess, so a slow machine gets there, too.
    statuses = (guess(names(DESK, "127.0.0.3"), number) for number in range(20))
    assert 429 in statuses
    assert guess(names(DESK, "127.0.0.4"), 99) == 401, "another client has a limit of its own"


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
