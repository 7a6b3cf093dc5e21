"""A browser on the page, which fails at the end if anything went wrong there that nobody saw."""

import contextlib
import functools
import http.server
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.players import CHROMIUM, LONG, program

ROOT = Path(__file__).parents[2]
READY = "body[data-ready]"
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}


def make_site(folder):
    """The static site, in a new folder."""
    command = [sys.executable, str(ROOT / "scripts" / "plain_site.py"), "--out", str(folder)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def serving(folder, headers=ISOLATED):
    """The address of a plain file server of `folder`."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def end_headers(self):
            for name, value in headers.items():
                self.send_header(name, value)
            super().end_headers()

        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@contextlib.contextmanager
def running_service():
    """The address of `kdsharp serve`; skips the test where this tree has none."""
    found = importlib.util.find_spec("kdsharp.serve")
    if found is None or found.origin is None:  # the folder of the page alone
        pytest.skip("this tree has no kdsharp.serve")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}/"
    command = [sys.executable, "-m", "kdsharp", "serve", "--port", str(port)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Elsewhere than in the checkout, which may hold a model that was trained.
    where = {"cwd": tempfile.gettempdir(), "env": env}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, **where) as process:
        try:
            end = time.monotonic() + LONG
            while not ready(address):
                assert process.poll() is None and time.monotonic() < end
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def ready(address):
    """Whether a service there takes pictures."""
    try:
        with urllib.request.urlopen(f"{address}v2/health/ready"):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def browsing(address, *flags, **options):
    """A page of Chromium at `address`; no error in it, and no request to another host."""
    sync_api = pytest.importorskip("playwright.sync_api")
    wrong = []

    def requested(request):
        parts = urlsplit(request.url)
        if (
            parts.scheme in ("http", "https", "ws", "wss")
            and parts.netloc != urlsplit(address).netloc
        ):
            wrong.append(f"asked {request.url}")

    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=program("chromium"), args=[*CHROMIUM, *flags]
        )
        try:
            context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
            opened = context.new_page()
            opened.set_default_timeout(LONG * 1000)
            context.on("request", requested)
            opened.on("pageerror", lambda error: wrong.append(str(error)))
            opened.on("console", lambda line: line.type == "error" and wrong.append(line.text))
            opened.goto(address)
            yield opened
        finally:
            browser.close()
    assert wrong == []


def settle(page):
    """Wait until the page shows what was just changed."""
    page.evaluate("() => new Promise((done) => setTimeout(() => requestAnimationFrame(done), 60))")
