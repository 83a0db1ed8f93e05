"""One server for most tests, and the programs beside it."""

import http.server
import itertools
import json
import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth.credentials import AnonymousCredentials
from google.cloud import firestore
from werkzeug.security import generate_password_hash

from certificates import Files
from proxies import CADDY, NGINX
from shop import ADMIN, EMAIL, PASSWORD, Shop

FIXTURES = Path(__file__).parent.parent / "fixtures"
NUMBERS = itertools.count(1)
# Newest hashes first; both are what old versions of the dashboard have left in `admins`.
SCRYPT, PBKDF2 = "scrypt", "pbkdf2:sha256:260000"


def pytest_configure():
    if "FIRESTORE_EMULATOR_HOST" not in os.environ:
        pytest.exit("the legacy suite needs the Firestore emulator: source tests/emulator.sh && emulator_start", 2)
    if not os.access(os.environ.get("ORDERBELL_BIN", ""), os.X_OK):
        pytest.exit("the legacy suite needs the program: ORDERBELL_BIN must name it", 2)
    if shutil.which("curl") is None:
        pytest.exit("the legacy suite needs curl", 2)
    for program, package in [(NGINX, "nginx-light"), (CADDY, "caddy")]:
        if not os.access(program, os.X_OK):
            pytest.exit(f"the legacy suite needs {program}: apt-get install --no-install-recommends {package}", 2)


def fixture(name):
    return json.loads((FIXTURES / name).read_text())


class Old:
    """The old programs' way to the database: Firestore's Python client."""

    def __init__(self, project):
        self.project = project
        self.db = firestore.Client(project=project, credentials=AnonymousCredentials())
        self.orders = self.db.collection("orders")
        self.admins = self.db.collection("admins")
        self.counters = self.db.document("system/counters")

    def read(self, order):
        """The document's fields, in Python's types."""
        found = self.orders.document(order).get()
        assert found.exists, order
        return found.to_dict()

    def add_admin(self, admin, email, password=PASSWORD, method=SCRYPT, **more):
        fields = {"email": email, "name": email.split("@")[0].title(), "password": generate_password_hash(password, method)}
        self.admins.document(admin).set({**fields, **more})

    def equal(self, field, value):
        return firestore.FieldFilter(field, "==", value)

    def command(self, *words, given=""):
        """Runs a command of the program on the same database."""
        environment = {
            "PATH": os.environ["PATH"],
            "FIRESTORE_EMULATOR_HOST": os.environ["FIRESTORE_EMULATOR_HOST"],
            "ORDERBELL_STORE__KIND": "firestore",
            "ORDERBELL_FIRESTORE__PROJECT_ID": self.project,
        }
        binary = os.environ["ORDERBELL_BIN"]
        return subprocess.run([binary, *words], env=environment, input=given, capture_output=True, text=True, timeout=30)

    def place(self, order=None, **fields):
        """Writes an order as a phone does, and returns its id."""
        document = self.orders.document(order)
        now = int(time.time() * 1000)
        document.set({"userId": "u1", "status": "PENDING", "totalAmount": 5.5, "timestamp": now, **fields})
        return document.id


def new_project():
    return f"legacy-{os.getpid()}-{next(NUMBERS)}"


def new_old():
    old = Old(new_project())
    old.add_admin(ADMIN, EMAIL, role="owner")
    return old


@pytest.fixture(scope="session")
def old():
    return new_old()


@pytest.fixture(scope="session")
def shop(old):
    shop = Shop(old)
    yield shop
    shop.stop()


@pytest.fixture(scope="session")
def quiet_shop(old):
    """A second server on the same database, as the documentation sets it up behind a proxy. No heartbeat comes while a test waits."""
    shop = Shop(
        old,
        orderbell_stream__heartbeat_seconds="300",
        orderbell_server__public_url="https://desk.example.com",
        orderbell_server__trusted_proxies="127.0.0.1",
    )
    yield shop
    shop.stop()


@pytest.fixture(scope="session")
def tls_shop(old, tmp_path_factory):
    """A second server on the same database, which does HTTPS itself. No heartbeat comes while a test waits."""
    files = Files(tmp_path_factory.mktemp("tls"), ["localhost"])
    shop = Shop(
        old,
        verify=str(files.root),
        orderbell_stream__heartbeat_seconds="300",
        orderbell_tls__mode="files",
        orderbell_tls__cert_file=str(files.chain),
        orderbell_tls__key_file=str(files.key),
        orderbell_tls__redirect_port="0",
    )
    yield shop
    shop.stop()


@pytest.fixture
def other():
    """A database and a server that the test has to itself."""
    old = new_old()
    shop = Shop(old, orderbell_store__window="600")
    yield shop, old
    shop.stop()


class Firebase:
    """Signs ID tokens, and publishes the key as Google does."""

    PROJECT = "shop-of-phones"
    KEY_ID = "key-1"

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        body = json.dumps({"keys": [{**public, "kid": self.KEY_ID, "use": "sig", "alg": "RS256"}]}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.keys_url = f"http://127.0.0.1:{self.server.server_port}/keys"

    def token(self, user="phone-user", key=None, **claims):
        now = int(time.time())
        claims = {
            "iss": f"https://securetoken.google.com/{self.PROJECT}",
            "aud": self.PROJECT,
            "sub": user,
            "user_id": user,
            "iat": now - 10,
            "auth_time": now - 100,
            "exp": now + 3600,
            **claims,
        }
        return jwt.encode(claims, key or self.key, algorithm="RS256", headers={"kid": self.KEY_ID})


@pytest.fixture(scope="session")
def firebase():
    firebase = Firebase()
    yield firebase
    firebase.server.shutdown()


@pytest.fixture(scope="session")
def token_shop(old, firebase):
    """A second server on the same database, where customers need an ID token."""
    shop = Shop(
        old,
        orderbell_submit__auth="firebase",
        orderbell_submit__firebase_project_id=firebase.PROJECT,
        orderbell_submit__firebase_keys_url=firebase.keys_url,
    )
    yield shop
    shop.stop()
