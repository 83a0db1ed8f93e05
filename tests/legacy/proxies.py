"""Debian's nginx and Caddy with the configurations that the documentation has: what a reader of these pages gets."""

import contextlib
import os
import re
import socket
import subprocess
import tempfile
from pathlib import Path

from requests.adapters import HTTPAdapter

from certificates import Files
from shop import PATIENCE, Address, eventually

NGINX, CADDY = "/usr/sbin/nginx", "/usr/bin/caddy"
DOCS = Path(__file__).parent.parent.parent / "docs"
DESK, API = "desk.example.com", "api.example.com"

# The parts of nginx.conf around the page's block. No file of the machine's own nginx is used.
NGINX_SETTINGS = """
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

# The global options above the page's block: another port, and a certificate of the test instead of Let's Encrypt's.
CADDY_SETTINGS = """
{{
    admin off
    default_bind 127.0.0.1
    https_port {port}
    auto_https disable_redirects
    log {{
        level WARN
    }}
}}
{block}
"""


def page_block(page, language):
    """The only block of the page in this language."""
    [block] = re.findall(rf"^```{language}\n(.*?)^```$", (DOCS / page).read_text(), re.DOTALL | re.MULTILINE)
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


class Named(HTTPAdapter):
    """Asks for a public name at an address of this machine, from a chosen address of this machine."""

    def __init__(self, name, source):
        self.name, self.source = name, source
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        names = {"server_hostname": self.name, "assert_hostname": self.name}
        super().init_poolmanager(*arguments, **options, **names, source_address=(self.source, 0))


def nginx_of(page):
    """nginx with the page's block: its command and its settings."""

    def configured(shop, folder, files, port):
        block = page_block(page, "nginx")
        certificates = dict(re.findall(r"ssl_certificate(_key)? +(.*);", block))
        block = replaced(
            block,
            {
                "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
                "http://127.0.0.1:8080": shop.base,
                certificates[""]: str(files.chain),
                certificates["_key"]: str(files.key),
            },
        )
        settings = folder / "nginx.conf"
        settings.write_text(NGINX_SETTINGS.format(folder=folder, block=block))
        return [NGINX, "-p", str(folder), "-c", str(settings), "-e", "stderr"]

    return configured


def caddy_of(page):
    """Caddy with the page's block: its command and its settings."""

    def configured(shop, folder, files, port):
        block = replaced(
            page_block(page, "caddyfile"),
            {
                f"{DESK} {{\n": f"{DESK} {{\n    tls {files.chain} {files.key}\n",
                "127.0.0.1:8080": shop.base.removeprefix("http://"),
            },
        )
        settings = folder / "Caddyfile"
        settings.write_text(CADDY_SETTINGS.format(port=port, block=block))
        return [CADDY, "run", "--config", str(settings), "--adapter", "caddyfile"]

    return configured


@contextlib.contextmanager
def proxy(shop, configured):
    """Runs a proxy in front of `shop`. Gives a function that returns the address of a host name for a client."""
    with tempfile.TemporaryDirectory() as path:
        folder, port = Path(path), free_port()
        # nginx's workers aren't root where its master is.
        folder.chmod(0o755)
        files = Files(folder, [DESK, API])
        command = configured(shop, folder, files, port)
        process = subprocess.Popen(command, env={"PATH": os.environ["PATH"], "HOME": path})
        try:
            eventually(command[0], lambda: process.poll() is not None or listens(port))
            assert process.poll() is None, f"{command[0]} does not start"
            base, verify = f"https://127.0.0.1:{port}", str(files.root)

            def address(host, source="127.0.0.1"):
                return Address(shop.old, base, {"Host": host}, verify, Named(host, source))

            yield address
        finally:
            process.terminate()
            process.wait(PATIENCE)
