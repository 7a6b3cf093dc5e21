"""A real `kdsharp serve`, and clients that send to it."""

import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from kdsharp.files import atomic_dir
from kdsharp.runtime.catalog import SHIPPED

ROOT = Path(__file__).parents[2]
SHARPEN, READY = "/v1/sharpen", "/v2/health/ready"
TYPE = {"Content-Type": "application/octet-stream"}


@dataclass
class Serving:
    """A running service; what it says is in `said` once it has ended."""

    process: subprocess.Popen
    port: int
    first: str
    said: list[str] = field(default_factory=list)

    def ask(self, method, path, body=None, headers=TYPE):
        """Status, headers with small letters, body; over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            connection.close()


@contextmanager
def serving(*words, cwd=None):
    """`kdsharp serve` on a free port; it is asked to stop at the end, and has to."""
    command = [sys.executable, "-m", "kdsharp", "serve", "--port", "0", *map(str, words)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Elsewhere than in the checkout, which may hold a model that was trained.
    where = cwd or tempfile.gettempdir()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env, cwd=where)
    first = process.stderr.readline()
    found = re.search(r"http://127\.0\.0\.1:(\d+)/", first)
    assert found, first + process.stderr.read()
    served = Serving(process, int(found[1]), first)
    reading = threading.Thread(target=lambda: served.said.extend(process.stderr), daemon=True)
    reading.start()
    try:
        yield served
    finally:
        process.terminate()
        try:
            process.wait(30)
        finally:
            process.kill()
            reading.join(5)
            process.stderr.close()


def promote(name, folder):
    """Put a model that ships into `folder` as a promotion does, in one step."""
    with atomic_dir(folder) as new:
        shutil.copytree(SHIPPED / name, new, dirs_exist_ok=True)


def load(served, body, clients, seconds, meanwhile):
    """(status, version, seconds) of every request of `clients` that send one after the other.

    `meanwhile` is done in between, after a third of the time.
    """
    end = time.monotonic() + seconds

    def send():
        connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=60)
        found = []
        while time.monotonic() < end:
            start = time.perf_counter()
            connection.request("POST", SHARPEN, body, TYPE)
            answer = connection.getresponse()
            answer.read()
            taken = time.perf_counter() - start
            found.append((answer.status, answer.getheader("X-Kdsharp-Version"), taken))
        connection.close()
        return found

    with ThreadPoolExecutor(clients) as pool:
        jobs = [pool.submit(send) for _ in range(clients)]
        time.sleep(seconds / 3)
        meanwhile()
        return [one for job in jobs for one in job.result()]
