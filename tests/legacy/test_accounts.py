"""Admins, whose documents the old dashboard writes, too."""

import itertools
import time
from datetime import datetime, timedelta, timezone

import pytest
from werkzeug.security import check_password_hash, generate_password_hash

from conftest import PBKDF2, SCRYPT
from shop import ADMIN, EMAIL, PASSWORD, eventually, refusal, same

RECENT = "/api/admin/orders/recent"
NUMBERS = itertools.count(1)
NEW = "another horse"


def add_admin(shop, old, admin, email, *password, **fields):
    """Adds an admin as the old dashboard does, and waits until the server has heard of it."""
    old.add_admin(admin, email, *password, **fields)
    eventually("the new admin", lambda: works(shop, admin))


@pytest.fixture
def lina(shop, old):
    """The id and the e-mail address of an admin that the test has to itself."""
    number = next(NUMBERS)
    admin, email = f"lina-{number}", f"lina{number}@shop.example"
    add_admin(shop, old, admin, email, role="staff", shift={"from": 8, "to": 16.5})
    return admin, email


def works(shop, token):
    return shop.get(RECENT, bearer=token).status_code == 200


def signed_in(shop, cookie):
    return shop.get(RECENT, bearer=None, headers=cookie).status_code == 200


@pytest.mark.parametrize(
    "method", [SCRYPT, PBKDF2, "scrypt:16384:8:1"], ids=lambda method: method.replace(":", "-")
)
def test_admins_sign_in_with_werkzeugs_hashes(shop, old, method):
    number = next(NUMBERS)
    admin, email, password = f"old-{number}", f"Old{number}@Shop.example", "pässwörd ü 🍅"
    add_admin(shop, old, admin, email, password, method)
    hash_before = old.admins.document(admin).get().get("password")
    answer = shop.login(email, password)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    token = told.pop("token")
    assert told == {"success": True, "adminId": admin, "email": email, "name": f"Old{number}"}
    assert works(shop, token) and works(shop, admin)
    assert shop.login(email.lower(), password).status_code == 200
    refusal(shop.login(email, password + " "), 401)
    assert old.admins.document(admin).get().get("password") == hash_before


def test_wrong_sign_ins_are_refused(shop, lina):
    _, email = lina
    login = "/api/admin/login"
    refusal(shop.login(email, "a guess"), 401)
    refusal(shop.login("nobody@shop.example", PASSWORD), 401)
    assert "password" in refusal(shop.call("POST", login, bearer=None, json={"email": email}), 400)["message"]
    assert "email" in refusal(shop.call("POST", login, bearer=None, json={"password": PASSWORD}), 400)["message"]
    refusal(shop.call("POST", login, bearer=None, json={"email": 7, "password": PASSWORD}), 400, field="email")
    refusal(shop.call("POST", login, bearer=None, data={"email": email, "password": PASSWORD}), 415)
    refusal(shop.call("GET", login, bearer=None), 405)


def test_werkzeug_verifies_a_password_changed_here(shop, old, lina):
    admin, email = lina
    before = old.admins.document(admin).get().to_dict()
    cookie, elsewhere = shop.cookie(email), shop.cookie(email)
    headers = {**cookie, "Origin": shop.base}
    change = {"current": PASSWORD, "new": NEW}
    path = "/api/admin/password"
    refusal(shop.call("POST", path, bearer=None, headers=headers, json={**change, "current": "x"}), 400, field="current")
    answer = shop.call("POST", path, bearer=None, headers=headers, json=change)
    assert answer.status_code == 200, answer.text
    after = old.admins.document(admin).get().to_dict()
    changed = after.pop("password")
    assert changed.startswith("scrypt:32768:8:1$"), changed
    assert check_password_hash(changed, NEW)
    assert not check_password_hash(changed, PASSWORD)
    del before["password"]
    assert same({name: after[name] for name in before}, before)
    assert shop.login(email, NEW).status_code == 200
    refusal(shop.login(email, PASSWORD), 401)
    assert signed_in(shop, cookie)
    eventually("the end of the other session", lambda: not signed_in(shop, elsewhere))


def test_a_password_can_be_changed_with_a_sign_in_token(shop, old, lina):
    admin, email = lina
    token = shop.token(email)
    answer = shop.call("POST", "/api/admin/password", bearer=token, json={"current": PASSWORD, "new": NEW})
    assert answer.status_code == 200, answer.text
    assert check_password_hash(old.admins.document(admin).get().get("password"), NEW)
    assert works(shop, token)


class Leaving:
    """An admin whose credentials the old dashboard ends, and who is signed in everywhere meanwhile."""

    def __init__(self, shop, old, how):
        self.shop = shop
        self.admin, self.email = f"leaving-{how}", f"leaving-{how}@shop.example"
        add_admin(shop, old, self.admin, self.email)
        self.document = old.admins.document(self.admin)
        self.token, self.cookies = shop.token(self.email), [shop.cookie(self.email) for _ in range(2)]
        self.by_token = shop.stream(bearer=self.token)
        self.by_cookie = shop.stream("/api/stream-orders", bearer=None, headers=self.cookies[0])
        assert all(self.sessions()) and works(shop, self.token) and works(shop, self.admin)

    def sessions(self):
        return [signed_in(self.shop, cookie) for cookie in self.cookies]


@pytest.fixture(scope="module")
def leaving(shop, old):
    """Streams may take a minute to end: all admins leave at once."""
    all_of_them = {how: Leaving(shop, old, how) for how in ["disabled", "deleted", "password"]}
    all_of_them["disabled"].document.update({"disabled": True})
    all_of_them["deleted"].document.delete()
    all_of_them["password"].document.update({"password": generate_password_hash(NEW)})
    yield all_of_them
    for one in all_of_them.values():
        one.by_token.close()
        one.by_cookie.close()


@pytest.mark.parametrize("how, status", [("disabled", 403), ("deleted", 401)])
def test_an_admin_who_leaves_is_out_within_a_minute(shop, leaving, how, status):
    one = leaving[how]
    eventually("the end of the token", lambda: not works(shop, one.token), 60)
    eventually("the end of the id", lambda: not works(shop, one.admin), 60)
    eventually("the end of sessions", lambda: not any(one.sessions()), 60)
    one.by_token.ended(60)
    one.by_cookie.ended(60)
    refusal(shop.login(one.email), status)


def test_a_password_changed_by_the_old_dashboard_ends_the_admins_sessions(shop, old, leaving):
    one, other = leaving["password"], shop.cookie(EMAIL)
    eventually("the end of sessions", lambda: not any(one.sessions()), 60)
    one.by_cookie.ended(60)
    # A token of a sign-in ends as well; nobody else notices.
    eventually("the end of the token", lambda: not works(shop, one.token), 60)
    one.by_token.ended(60)
    assert signed_in(shop, other)
    assert shop.login(one.email, NEW).status_code == 200
    refusal(shop.login(one.email, PASSWORD), 401)


def test_a_change_of_another_field_ends_no_session(shop, old, lina):
    admin, email = lina
    cookie, token = shop.cookie(email), shop.token(email)
    old.admins.document(admin).update({"name": "Lina B.", "lastLogin": datetime.now(timezone.utc)})
    order = old.place()

    def changed_by():
        assert signed_in(shop, cookie) and works(shop, token)
        answer = shop.call("PUT", f"/api/admin/orders/{order}", bearer=token, json={"acknowledged": True})
        assert answer.status_code == 200, answer.text
        name = old.read(order)["acknowledgedBy"]
        shop.call("PUT", f"/api/admin/orders/{order}", bearer=token, json={"acknowledged": False})
        return name == "Lina B."

    eventually("the new name", changed_by)
    assert signed_in(shop, cookie) and works(shop, token)


def kept_credentials(old):
    """Documents of sessions and tokens, by path."""
    found = [*old.db.collection("orderbell_sessions").stream(), *old.db.collection("orderbell_tokens").stream()]
    return {document.reference.path: document for document in found}


def age(document, days):
    """Sets all times of the document back, as if it had been left alone for so many days."""
    fields = document.get().to_dict()
    times = {name: value - timedelta(days=days) for name, value in fields.items() if isinstance(value, datetime)}
    assert times, fields
    document.update(times)


def test_a_sign_in_token_lives_90_days_from_its_last_use(shop, old, lina):
    _, email = lina

    def token_not_used_for(days):
        before = kept_credentials(old)
        token = shop.token(email)
        (path,) = kept_credentials(old).keys() - before.keys()
        document = old.db.document(path)
        age(document, days)
        time.sleep(0.3)  # The server mostly has heard of it by then; where it hasn't, another token is tried.
        return token, document

    def noted():
        token, document = token_not_used_for(80)
        aged = document.get().to_dict()
        assert works(shop, token), f"not used for 80 days: {aged}"
        time.sleep(0.3)
        return document.get().to_dict() != aged

    eventually("a note of the use", noted)
    eventually("the end of a token that was not used for 91 days", lambda: not works(shop, token_not_used_for(91)[0]))


@pytest.mark.parametrize("credential", ["token", "id"])
def test_the_phone_apps_fcm_token_is_kept_on_the_admin(shop, old, lina, credential):
    admin, email = lina
    before = old.admins.document(admin).get().to_dict()
    bearer = shop.token(email) if credential == "token" else admin
    for fcm in ["fcm:APA91bF-1_x", "fcm:APA91bF-2_y"]:
        answer = shop.call("POST", "/api/admin/fcm-token", bearer=bearer, json={"token": fcm})
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"success": True}
        after = old.admins.document(admin).get().to_dict()
        updated = after.pop("fcmTokenUpdated")
        if not isinstance(updated, datetime):
            updated = datetime.fromtimestamp(updated / 1000, timezone.utc)
        assert abs(datetime.now(timezone.utc) - updated) < timedelta(minutes=1)
        assert same(after, {**before, "fcmToken": fcm})


def test_fcm_tokens_that_cannot_be_are_refused(shop, old, lina):
    admin, _ = lina
    path = "/api/admin/fcm-token"
    before = old.admins.document(admin).get().to_dict()
    for wrong in [None, "", 7, ["x"], "x" * 10_000]:
        refusal(shop.call("POST", path, bearer=admin, json={"token": wrong}), 400, field="token")
    refusal(shop.call("POST", path, bearer=admin, json={}), 400, field="token")
    refusal(shop.call("POST", path, bearer=None, json={"token": "x"}), 401)
    assert same(old.admins.document(admin).get().to_dict(), before)


def test_admins_added_by_either_side_sign_in_at_both(shop, old):
    """The dashboard checks passwords with Werkzeug; the desk's own admins must pass."""
    admin, email = "amel-1", "amel@shop.example"
    refusal(shop.login(email), 401)
    add_admin(shop, old, admin, email, method="pbkdf2:sha256")
    assert shop.login(email).status_code == 200
    command = old.command("admin", "add", "farid@shop.example", "--name", "Farid", given=f"{NEW}\n")
    assert command.returncode == 0, command.stderr
    (farid,) = [found.to_dict() for found in old.admins.where(filter=old.equal("email", "farid@shop.example")).stream()]
    assert farid["name"] == "Farid"
    assert check_password_hash(farid["password"], NEW)
    eventually("the other admin", lambda: shop.login("farid@shop.example", NEW).status_code == 200)
    assert works(shop, ADMIN)
