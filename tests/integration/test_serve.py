"""A real `kdsharp serve`: the command's bytes, promotions under load, mutated requests, its end."""

import io
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.runtime.card import read_card
from kdsharp.runtime.catalog import SHIPPED
from tests.integration.serving import READY, ROOT, SHARPEN, load, promote, serving

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def jpeg(picture, **options):
    out = io.BytesIO()
    Image.fromarray(np.asarray(picture)).save(out, "JPEG", **{"quality": 90, **options})
    return out.getvalue()


@pytest.fixture(scope="module")
def photo():
    return jpeg(data.astronaut())


@pytest.fixture(scope="module")
def served():
    """What ships."""
    with serving() as found:
        yield found


def test_the_bytes_are_the_commands(served, photo, tmp_path):
    sources = {"a.jpg": photo, "b.jpg": jpeg(data.chelsea(), quality=40)}
    for name, body in sources.items():
        (tmp_path / name).write_bytes(body)
    for query, words in (
        ("", ()),
        ("?strength=0.5&model=nano", ("--strength", "0.5", "--model", "nano")),
        ("?upscale=2&format=png", ("--upscale", "2", "--format", "png")),
    ):
        command = [
            sys.executable,
            "-m",
            "kdsharp",
            "sharpen",
            "a.jpg",
            "b.jpg",
            "-o",
            "out",
            *words,
        ]
        # The service's environment: variables such as OPENBLAS_CORETYPE decide the last digits.
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([*command, "-q"], cwd=tmp_path, env=env, check=True)
        suffix = ".png" if "png" in query else ".jpg"
        for name, body in sources.items():
            status, _, made = served.ask("POST", SHARPEN + query, body)
            expected = (tmp_path / "out" / name).with_suffix(suffix).read_bytes()
            assert (status, made == expected) == (200, True), (query, name)


def test_a_promotion_while_16_clients_send(tmp_path):
    """No request fails, and none takes more than twice the median.

    Other programs may take the processor at any moment, so three promotions are tried, each beside
    the same load without one: where that alone has slower requests, it is not the promotion's
    fault. That no request fails is asked of all.
    """
    folder, body = tmp_path / "models/production", jpeg(np.tile(data.astronaut(), (2, 2, 1)))
    names = ["small-x2", "small-x2-blurred"] * 2
    promote(names[0], folder)
    ratios = []
    with serving("--poll", "0.2", cwd=tmp_path) as served:
        assert "from models/production" in served.first
        load(served, body, 16, 1, lambda: None)
        for old, new in pairwise(names):
            plain = load(served, body, 16, 4, lambda: None)
            found = load(served, body, 16, 6, lambda name=new: promote(name, folder))
            assert {status for status, _, _ in (*plain, *found)} == {200}
            versions = [read_card(SHIPPED / name).sha256[:12] for name in (old, new)]
            assert {version for _, version, _ in found} == set(versions)
            ratios.append([slowest(requests) for requests in (found, plain)])
            if ratios[-1][0] <= max(2, ratios[-1][1]):
                break
    print(f"{len(found)} requests; slowest / median with a promotion, and without: {ratios}")
    assert any(with_one <= max(2, without) for with_one, without in ratios), ratios
    assert served.process.returncode == 0


def slowest(found):
    """The slowest request, in medians."""
    times = [seconds for _, _, seconds in found]
    return round(max(times) / statistics.median(times), 2)


def test_garbage_in_the_folder(tmp_path, photo):
    folder = tmp_path / "production"
    promote("nano-x2", folder)
    with serving("--model", folder, "--poll", "0.1") as served:
        _, before, first = served.ask("POST", SHARPEN, photo)
        (folder / "student.onnx").write_bytes(b"garbage")
        end = time.monotonic() + 10
        while not (ready := json.loads(served.ask("GET", READY)[2]))["problem"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert ready["ready"]
        assert "student.onnx: is damaged" in ready["problem"]
        _, after, again = served.ask("POST", SHARPEN, photo)
        assert again == first
        assert after["x-kdsharp-version"] == before["x-kdsharp-version"]


def test_sigterm_lets_what_runs_come_to_its_end():
    large = jpeg(np.tile(data.astronaut(), (8, 8, 1)))
    with serving("--model", "large-x2") as served, ThreadPoolExecutor(6) as pool:
        jobs = [pool.submit(served.ask, "POST", SHARPEN, large) for _ in range(4)]
        while "kdsharp_running 0" in (said := served.ask("GET", "/metrics")[2].decode()):
            assert "kdsharp_running" in said
        served.process.terminate()
        end = time.monotonic() + 5
        while (ready := served.ask("GET", READY))[0] == 200:
            assert time.monotonic() < end
        assert (ready[0], json.loads(ready[2])["ready"]) == (503, False)
        status, headers, _ = served.ask("POST", SHARPEN, large)
        assert (status, headers["retry-after"]) == (503, "1")
        assert [job.result()[0] for job in jobs] == [200] * 4
        assert served.process.wait(10) == 0
    assert "".join(served.said) == ""


def test_who_sends_too_much_is_told_so():
    with serving("--model", "nano-x2", "--max-bytes", "100000") as served:
        for path in (SHARPEN, f"{SHARPEN}?strength=9", "/no-such"):
            status, headers, body = served.ask("POST", path, b"x" * 4_000_000)
            assert status in (400, 404, 405, 413), path
            assert set(json.loads(body)) == {"error"}
            assert headers["x-content-type-options"] == "nosniff"


def test_who_goes_away_is_not_worked_for(photo):
    large = jpeg(np.tile(data.astronaut(), (4, 4, 1)))
    head = f"POST {SHARPEN} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(large)}\r\n\r\n"
    with serving("--workers", "1") as served:
        for _ in range(12):
            with socket.create_connection(("127.0.0.1", served.port)) as client:
                client.sendall(head.encode() + large)
                time.sleep(0.02)
        assert served.ask("POST", SHARPEN, photo)[0] == 200
        said = served.ask("GET", "/metrics")[2].decode()
        gone = next(line for line in said.splitlines() if 'status="499"' in line)
        done = next(
            line for line in said.splitlines() if line.startswith("kdsharp_megapixels_count")
        )
        assert float(gone.split()[-1]) >= 11
        assert float(done.split()[-1]) <= 3


def test_500_mutated_requests(photo):
    valid = requests(jpeg(data.astronaut()[:64, :64]))
    mutated = [mutate(valid[seed % len(valid)], random.Random(seed)) for seed in range(500)]
    with (
        serving("--model", "nano-x2", "--slow", "0.5", "--per-caller", "64") as served,
        ThreadPoolExecutor(32) as pool,
    ):
        answers = list(pool.map(lambda request: talk(served.port, request), mutated))
        assert served.process.poll() is None
        assert served.ask("POST", SHARPEN, photo)[0] == 200
        said = served.ask("GET", "/metrics")[2].decode()
    assert "kdsharp_queue_depth 0.0" in said
    assert "kdsharp_running 0.0" in said
    assert "".join(served.said) == ""
    statuses = Counter(answer[9:12].decode() for answer in answers)
    print(dict(statuses))
    assert not [status for status in statuses if status.startswith("5")]
    assert statuses["200"] > 20
    assert statuses["400"] > 100


def requests(picture):
    """Whole requests of every kind."""
    form = b"--b\r\nContent-Disposition: form-data; name=p; filename=a.jpg\r\n\r\n" + picture
    field = b"\r\n--b\r\nContent-Disposition: form-data; name=strength\r\n\r\n0.5\r\n--b--\r\n"
    tensor = {"name": "input", "datatype": "UINT8", "shape": [2, 2, 3], "data": [7] * 12}
    kind = b"multipart/form-data; boundary=b"
    posts = [
        (SHARPEN.encode() + b"?strength=0.5&format=png", b"image/jpeg", picture),
        (SHARPEN.encode(), kind, form + field),
        (SHARPEN.encode() + b"/batch", kind, form + field),
        (
            b"/v2/models/small-x2/infer",
            b"application/json",
            json.dumps({"inputs": [tensor]}).encode(),
        ),
    ]
    gets = [b"/", b"/v1/models", b"/v1/models/nano-x2/card", b"/v2/models/small-x2", b"/metrics"]
    head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    whole = [b"GET " + path + head + b"\r\n" for path in gets]
    for path, kind, body in posts:
        length = str(len(body)).encode()
        about = b"Content-Type: " + kind + b"\r\nContent-Length: " + length + b"\r\n\r\n"
        whole += [b"POST " + path + head + about + body] * 3
    return whole


def mutate(request, chance):
    """Some bytes are others, missing, twice or new, more often in the head."""
    changed = bytearray(request)
    head = request.index(b"\r\n\r\n")
    for _ in range(chance.choice((1, 2, 5, 20))):
        at = chance.randrange(head if chance.random() < 0.3 else len(changed))
        way = chance.choice((0, 0, 0, 1, 1, 2, 2, 3, 3, 4))
        if way == 0:
            changed[at] = chance.randrange(256)
        elif way == 1:
            del changed[at : at + chance.choice((1, 5, 200))]
        elif way == 2:
            changed[at:at] = changed[at : at + chance.choice((1, 50))]
        elif way == 3:
            changed[at:at] = chance.choice(
                (b"\0", b"\r\n", b"../" * 9, b"%00", b"\xff" * 30, b"-1")
            )
        else:
            changed = changed[: max(at, 1)]
        if len(changed) < 2:
            break
        head = min(head, len(changed) - 1) or 1
    return bytes(changed)


def talk(port, request):
    """What is answered; nothing where the server closes. It has to do one of both in time."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        answer = b""
        try:
            client.sendall(request)
            while piece := client.recv(1 << 16):
                answer += piece
        except ConnectionError:
            pass
        return answer
