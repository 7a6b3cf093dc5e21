import hashlib
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.data import download
from pipeline.data.archive import Archive, Archives


@pytest.fixture
def make_picture() -> Callable[..., Image.Image]:
    """A picture with structure of its own for every seed."""

    def make(seed: int, size: tuple[int, int] = (160, 140)) -> Image.Image:
        cells = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)

    return make


def describe_archive(path: Path) -> Archive:
    content = path.read_bytes()
    return Archive(path.name, len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class Miniature:
    """DIV2K in small: two zip files in `folder` and what they hold by name."""

    folder: Path
    archives: Archives
    train: dict[str, bytes]
    valid: dict[str, bytes]


@pytest.fixture
def miniature(tmp_path: Path, make_picture) -> Miniature:
    folder = tmp_path / "mirror"
    folder.mkdir()
    parts = []
    for part, seeds in (("train", range(1, 8)), ("valid", range(801, 807))):
        photos = {}
        with zipfile.ZipFile(folder / f"MINI_{part}_HR.zip", "w", zipfile.ZIP_DEFLATED) as opened:
            for seed in reversed(seeds):
                target = tmp_path / "made.png"
                make_picture(seed, (64, 48)).save(target)
                photos[f"{seed:04d}.png"] = target.read_bytes()
                opened.write(target, f"DIV2K_{part}_HR/{seed:04d}.png")
        parts.append(photos)
    names = [folder / f"MINI_{part}_HR.zip" for part in ("train", "valid")]
    return Miniature(folder, Archives(*map(describe_archive, names)), *parts)


@dataclass
class Server:
    """Serves `folder`; `plan` says how the next requests misbehave, one word each.

    cut: half of what was asked for. ignore: 200 from the start whatever the Range. shifted: a
    wrong Content-Range. corrupt: a wrong byte. unsized: no Content-Length. html: a web page.
    longer: more bytes than the file. A number: that status. `always` applies once `plan` is empty.
    """

    folder: Path
    url: str = ""
    plan: list[str] = field(default_factory=list)
    always: str = "well"
    ranges: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(miniature: Miniature) -> Iterator[Server]:
    state = Server(miniature.folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(state)) as listening:
        listening.daemon_threads = False
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        state.url = f"http://127.0.0.1:{listening.server_port}/"
        yield state
        listening.shutdown()
        thread.join()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "_FIRST_WAIT", 0.001)


def _handler(state: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            mode = state.plan.pop(0) if state.plan else state.always
            asked = self.headers.get("Range")
            state.ranges.append(asked)
            path = state.folder / self.path.lstrip("/")
            if mode.isdigit() or not path.is_file():
                self.send_error(int(mode) if mode.isdigit() else 404)
                return
            _answer(self, path.read_bytes(), asked, mode)

    return Handler


def _answer(handler: BaseHTTPRequestHandler, whole: bytes, asked: str | None, mode: str) -> None:
    start = int(re.match(r"bytes=(\d+)-$", asked)[1]) if asked and mode != "ignore" else 0
    if mode == "corrupt":
        whole = whole[:-1] + bytes([whole[-1] ^ 1])
    if mode == "longer":
        whole += b"more"
    body = whole[start:]
    handler.send_response(206 if start else 200)
    if start:
        first = start + (7 if mode == "shifted" else 0)
        handler.send_header("Content-Range", f"bytes {first}-{len(whole) - 1}/{len(whole)}")
    if mode != "unsized":
        handler.send_header("Content-Length", str(len(body)))
    kind = "text/html; charset=utf-8" if mode == "html" else "application/zip"
    handler.send_header("Content-Type", kind)
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2] if mode == "cut" else body)
