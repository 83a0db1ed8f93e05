"""The program under test as a process, and the clients that exist today: what they send, and how they read streams."""

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from urllib.parse import unquote

import requests

# Longer than a heartbeat, so that a stream that comes to nothing is told from one that has died.
PATIENCE = 15
HEARTBEAT = 3
STREAM = "/api/admin/stream/orders"
PASSWORD = "correct horse"
# The admin that the old dashboard signs in as; its id is a bearer token, too.
ADMIN = "omar-1"
EMAIL = "omar@shop.example"


def eventually(what, check, seconds=PATIENCE):
    """Returns what `check` returns as soon as that is neither None nor False."""
    end = time.monotonic() + seconds
    while True:
        found = check()
        if found is not None and found is not False:
            return found
        assert time.monotonic() < end, f"{what} within {seconds} s"
        time.sleep(0.05)


def same(left, right):
    """Equal in value and in type: a whole number is not a double."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[name], right[name]) for name in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    return left == right


class Address:
    """An address of a server, and the requests that clients send to it."""

    def __init__(self, old, base=None, headers=None, verify=True, adapter=None):
        self.old = old
        self.base = base
        self.headers = headers or {}
        self.verify = verify
        # How connections are made, if not as `requests` makes them.
        self.adapter = adapter

    def call(self, method, path, bearer=ADMIN, **options):
        """Sends a request as the old dashboard does, which presents an admin's id unless it has a token."""
        headers = {**self.headers, **options.pop("headers", {})}
        if bearer is not None:
            headers = {"Authorization": f"Bearer {bearer}", **headers}
        with requests.Session() as session:
            if self.adapter is not None:
                session.mount("https://", self.adapter)
            return session.request(method, self.base + path, headers=headers, timeout=30, verify=self.verify, **options)

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def json(self, path, **options):
        answer = self.get(path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def order(self, order):
        """The whole document, as JSON."""
        return self.json(f"/api/admin/orders/{order}")["order"]

    def ids(self, path, **options):
        return [order["id"] for order in self.json(path, **options)["orders"]]

    def put(self, order, **change):
        return self.call("PUT", f"/api/admin/orders/{order}", json=change)

    def submit(self, body, **options):
        return self.call("POST", "/api/order/submit", bearer=None, json=body, **options)

    def place(self, body, **options):
        """The number of an order that must be accepted."""
        answer = self.submit(body, **options)
        assert answer.status_code == 200, answer.text
        number = answer.json()["orderNumber"]
        assert answer.json() == {"success": True, "orderId": f"ORD{number}", "orderNumber": number}
        return number

    def login(self, email=EMAIL, password=PASSWORD):
        return self.call("POST", "/api/admin/login", bearer=None, json={"email": email, "password": password})

    def token(self, email=EMAIL, password=PASSWORD):
        answer = self.login(email, password)
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]

    def cookie(self, email, password=PASSWORD):
        """Signs in with the desk's form, as a browser."""
        form = {"email": email, "password": password}
        headers = {"Origin": self.base}
        answer = self.call("POST", "/login", bearer=None, data=form, headers=headers, allow_redirects=False)
        assert answer.status_code == 303, answer.text
        return {"Cookie": f"desk={answer.cookies['desk']}"}

    def stream(self, path=STREAM, **options):
        """Opens a stream once all that was written before has come to the server."""
        with Stream(self, STREAM) as before:
            before.settle()
        return Stream(self, path, **options)

    def resumed(self, last):
        """Opens a stream where another one has ended."""
        return Stream(self, STREAM, headers={"Last-Event-ID": last})


class Shop(Address):
    """One server on one database of the emulator."""

    def __init__(self, old, verify=True, **settings):
        super().__init__(old, verify=verify)
        self.log = tempfile.TemporaryFile("w+")
        environment = {
            "PATH": os.environ["PATH"],
            "TZ": "UTC",
            "FIRESTORE_EMULATOR_HOST": os.environ["FIRESTORE_EMULATOR_HOST"],
            "ORDERBELL_SERVER__PORT": "0",
            "ORDERBELL_STORE__KIND": "firestore",
            "ORDERBELL_FIRESTORE__PROJECT_ID": old.project,
            "ORDERBELL_STREAM__HEARTBEAT_SECONDS": str(HEARTBEAT),
            # Admins are waited for with the id that they will have.
            "ORDERBELL_AUTH__FAILURES_PER_MINUTE": "100000",
            "ORDERBELL_LOG__LEVEL": "warn",
            **{name.upper(): value for name, value in settings.items()},
        }
        binary = os.environ["ORDERBELL_BIN"]
        self.process = subprocess.Popen(
            [binary, "serve"], env=environment, stdout=subprocess.PIPE, stderr=self.log, text=True
        )
        try:
            self.base = self._address()
            eventually("the listener", lambda: self.get("/health/ready").status_code == 200)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def _address(self):
        mark = "listening on "
        for line in self.process.stdout:
            if line.startswith(mark):
                return line.removeprefix(mark).strip()
        self.log.seek(0)
        raise AssertionError(f"the server does not start: {self.log.read()}")

    def stop(self):
        """Ends the server, which must not have failed meanwhile."""
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0
        self.log.seek(0)
        log = self.log.read()
        assert "panicked" not in log, log


def refusal(answer, status, field=None, code=None):
    """Checks the JSON of a refusal, and returns it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()
    assert (error["status"], error["statusCode"]) == ("error", status)
    assert error["message"] and error["code"]
    if code is not None:
        assert error["code"] == code
    if field is not None:
        assert [detail["field"] for detail in error["details"]] == [field]
        assert all(detail["message"] for detail in error["details"])
    return error


class Event:
    """One block of a stream."""

    def __init__(self, lines):
        self.lines = lines
        fields = dict(line.split(": ", 1) for line in lines if not line.startswith(":"))
        self.name = fields.get("event")
        self.id = fields.get("id")
        self.data = json.loads(fields["data"]) if "data" in fields else None

    @property
    def position(self):
        micros, order = self.id.split("-", 1)
        return int(micros), unquote(order)

    def __repr__(self):
        return f"{self.name} {self.id} {self.data}"


class Stream:
    """An event stream read with `iter_lines`, as the old dashboard's proxy reads it."""

    ORDERS = {"new_order", "order_update", "order_removed"}
    ASIDE = {"heartbeat", "source"}

    def __init__(self, shop, path, **options):
        self.shop = shop
        self.answer = shop.get(path, stream=True, **options)
        assert self.answer.status_code == 200, self.answer.text
        self.last = None
        self.events = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.connected = self.next()
        assert self.connected.data == {"type": "connected"}, self.connected

    def _read(self):
        block = []
        try:
            for line in self.answer.iter_lines():
                if line:
                    block.append(line.decode())
                elif block:
                    self.events.put(Event(block))
                    block = []
        except requests.RequestException:
            pass  # The test has closed the stream.
        self.events.put(None)

    def next(self, seconds=PATIENCE):
        event = self.events.get(timeout=seconds)
        assert event is not None, "the stream has ended"
        return event

    def order(self, seconds=PATIENCE):
        """The next event of an order; ids must increase strictly."""
        end = time.monotonic() + seconds
        while True:
            event = self.next(max(0.01, end - time.monotonic()))
            if event.name in self.ASIDE:
                continue
            assert event.name in self.ORDERS, event
            assert self.last is None or self.last < event.position, (self.last, event)
            self.last = event.position
            return event

    def told(self, name, order):
        """The next event's data; it must be of this kind and about this order."""
        event = self.order()
        assert (event.name, event.data["id"]) == (name, order), event
        return event.data

    def nothing_more(self):
        """Checks that all was told: what comes next is an order written now."""
        mark = self._mark()
        self.told("new_order", mark)
        self._remove(mark)
        self.told("order_removed", mark)

    def settle(self):
        """Reads on until an order written now has come and gone."""
        mark = self._mark()
        self._skip("new_order", mark)
        self._remove(mark)
        self._skip("order_removed", mark)

    def _mark(self):
        return self.shop.old.place(status="DELIVERED", timestamp=1)

    def _remove(self, mark):
        self.shop.old.orders.document(mark).delete()

    def _skip(self, name, mark):
        while (event := self.order()).name != name or event.data["id"] != mark:
            pass

    def ended(self, seconds):
        """Reads on until the server ends the stream."""
        end = time.monotonic() + seconds
        while self.events.get(timeout=max(0.01, end - time.monotonic())) is not None:
            pass

    def close(self):
        # `close` alone waits until the reader has its next line.
        if self.reader.is_alive():
            self.answer.raw.shutdown()
        self.reader.join(PATIENCE)
        self.answer.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
