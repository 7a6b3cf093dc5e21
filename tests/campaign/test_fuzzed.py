"""Damaged inputs of every kind: exit code 0, 1 or 2 with one line, no traceback, no hang."""

import contextlib
import http.client
import json
import random
import socket
import subprocess
import sys

import pytest

from tests.campaign.fuzzed import KINDS, mutate
from tests.campaign.part import REPOSITORY
from tests.integration.serving import READY, SHARPEN, serving
from tests.kdsharp.imageio.fuzz import sound

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

PARTS = len(KINDS) + 1  # and HTTP


@pytest.mark.campaign(
    "damaged params, manifests, pictures, videos and model folders",
    unit="inputs",
    slice=25,
    day=2500,
    full=2500,
)
def test_damaged_files(part, tmp_path, monkeypatch):
    monkeypatch.setenv("KDSHARP_MAX_MEGAPIXELS", "2")
    each = part.rounds // len(KINDS)
    for kind in KINDS:
        folder = tmp_path / kind
        folder.mkdir()
        command = [sys.executable, "-m", "tests.campaign.fuzzed", kind, str(each), str(part.seed)]
        done = subprocess.run(
            [*command, str(folder)], cwd=REPOSITORY, capture_output=True, text=True
        )
        numbers = [line for line in done.stderr.splitlines() if line.isdecimal()]
        where = f"{kind}, input {numbers[-1] if numbers else 'none'}"
        assert done.returncode == 0, f"{where}: code {done.returncode}\n{done.stderr[-2000:]}"
        found = json.loads(done.stdout.splitlines()[-1])
        codes = {int(code): count for code, count in found["codes"].items()}
        assert set(codes) <= {0, 1, 2}
        part.note(
            f"{kind}: {codes.get(0, 0)} read, {codes.get(2, 0)} refused in one line, "
            f"{codes.get(1, 0)} ended as a fault of ours; the slowest {found['slowest']:.1f} s"
        )
        for line in found["internal"]:
            print(f"{kind}: {line}")
        assert codes.get(1, 0) == 0, found["internal"]


@pytest.mark.campaign(
    "damaged HTTP requests to `kdsharp serve`", unit="requests", slice=30, day=500, full=500
)
def test_damaged_requests(part, luma_model, tmp_path):
    rng = random.Random(f"http {part.seed}")
    picture = sound("PNG", tmp_path)[0]
    statuses: dict[str, int] = {}
    with serving("--model", luma_model, "--max-megapixels", "2", "--slow", "0.5") as served:
        for number in range(part.rounds):
            request = damaged_request(rng, picture)
            status = send(served.port, request)
            assert not status.startswith("5") or status in ("503", "505"), (number, request[:300])
            statuses[status] = statuses.get(status, 0) + 1
        assert served.ask("GET", READY)[0] == 200
        answer = served.ask("POST", SHARPEN, picture)
        assert answer[0] == 200
    assert not any("Traceback" in line for line in served.said), served.said
    told = ", ".join(f"{status} {count} times" for status, count in sorted(statuses.items()))
    part.note(f"answers: {told}; the service went on and sharpened a picture")


def damaged_request(rng: random.Random, picture: bytes) -> bytes:
    """A request as bytes: sound ones changed here and there."""
    body = bytes(mutate(bytearray(picture), rng)) if rng.random() < 0.5 else picture
    path = rng.choice(
        [SHARPEN, SHARPEN, "/v1/sharpen/batch", "/v1/models", "/v2/models/x/infer", "/", "/metrics"]
    )
    query = rng.choice(
        [
            "",
            "",
            "",
            "?strength=0.5",
            "?strength=nan",
            "?model=../../etc",
            "?scale=9",
            "?quality=1e9",
            "?upscale=4&a=%ff",
        ]
    )
    length = rng.choice([len(body)] * 8 + [0, -1, 10**12, len(body) - 1])
    kind = rng.choice(
        ["application/octet-stream", "multipart/form-data; boundary=x", "application/json", "\xff"]
    )
    head = (
        f"{rng.choice(['POST', 'POST', 'GET', 'PUT', 'BREW'])} {path}{query} HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n"
        "Connection: close\r\n\r\n"
    ).encode("latin-1")
    if rng.random() < 0.3:
        head = bytes(mutate(bytearray(head), rng))
    return head + body


def send(port: int, request: bytes) -> str:
    """The status of the answer; "none" where the service waited for more and then hung up.

    An answer after 30 seconds would be a hang.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        with contextlib.suppress(OSError):  # it has answered already
            connection.sendall(request)
        try:
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            return str(answer.status)
        except (http.client.HTTPException, ConnectionError):
            return "none"
