"""Debian's nginx with the server block of docs/from-flask.md: what a reader of that page gets."""

import contextlib
import re
import socket
import subprocess
import tempfile
from pathlib import Path

from certificates import Files
from shop import PATIENCE, Address, eventually

NGINX = "/usr/sbin/nginx"
PAGE = Path(__file__).parent.parent.parent / "docs" / "from-flask.md"
DESK, API = "desk.example.com", "api.example.com"

# The parts of nginx.conf around the page's block. No file of the machine's own nginx is used.
CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
access_log off;
client_body_temp_path {folder}/body;
proxy_temp_path {folder}/proxy;
fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi;
scgi_temp_path {folder}/scgi;
{block}
}}
"""


def page_block():
    """The only nginx block of the page."""
    [block] = re.findall(r"^```nginx\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    return block


def replaced(block, places):
    """The block with the addresses and files of this test. Each of them stands once in the page."""
    for there, here in places.items():
        assert block.count(there) == 1, (there, block)
        block = block.replace(there, here)
    return block


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def nginx(shop):
    """Runs nginx in front of `shop`. Gives a function that returns the address of a host name."""
    with tempfile.TemporaryDirectory() as path:
        folder, port = Path(path), free_port()
        # nginx's workers aren't root where its master is.
        folder.chmod(0o755)
        files = Files(folder, [DESK, API])
        block = replaced(
            page_block(),
            {
                "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
                "http://127.0.0.1:8080": shop.base,
                "/etc/letsencrypt/live/example.com/fullchain.pem": str(files.chain),
                "/etc/letsencrypt/live/example.com/privkey.pem": str(files.key),
            },
        )
        settings = folder / "nginx.conf"
        settings.write_text(CONFIGURATION.format(folder=folder, block=block))
        process = subprocess.Popen([NGINX, "-p", path, "-c", str(settings), "-e", "stderr"])
        try:
            eventually("nginx", lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, "nginx does not start"
            base, verify = f"https://127.0.0.1:{port}", str(files.root)
            yield lambda host: Address(shop.old, base, {"Host": host}, verify)
        finally:
            process.terminate()
            process.wait(PATIENCE)
