"""The original's configuration, end to end: a server with a miniature DIV2K, a weights file."""

import dataclasses
import functools
import hashlib
import json
import threading
import zipfile
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import resnet18

from pipeline.data.archive import Archive
from tests.integration.checkout import TINY, make_checkout, set_params

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]


def make_archive(path, inside, first, count):
    """`count` small photos in the form of one of DIV2K's archives."""
    with zipfile.ZipFile(path, "w") as opened:
        for number in range(first, first + count):
            cells = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
            picture = path.with_suffix(".png")
            Image.fromarray(cells).resize((96, 80), Image.Resampling.BICUBIC).save(picture)
            opened.write(picture, f"{inside}/{number:04d}.png")
            picture.unlink()
    content = path.read_bytes()
    return Archive(path.name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def mirror(tmp_path):
    """The address of a server on this machine and the description of what it serves."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    archives = {
        "train": make_archive(folder / "DIV2K_train_HR.zip", "DIV2K_train_HR", 1, 6),
        "valid": make_archive(folder / "DIV2K_valid_HR.zip", "DIV2K_valid_HR", 801, 4),
    }
    listing = tmp_path / "archives.json"
    listing.write_text(json.dumps({k: dataclasses.asdict(v) for k, v in archives.items()}))

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/", listing
        server.shutdown()
        thread.join()


@pytest.fixture
def weights(tmp_path):
    """A file of the form that torchvision publishes, and the first digits of its SHA-256."""
    torch.manual_seed(0)
    path = tmp_path / "resnet18.pth"
    torch.save(resnet18(weights=None).state_dict(), path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()[:8]


def test_the_preset_runs_from_the_download_to_the_report(tmp_path, mirror, weights):
    address, listing = mirror
    path, digest = weights
    checkout = make_checkout(tmp_path / "checkout")
    said = checkout.run("python", "-m", "pipeline", "preset", "original").stdout
    assert "data.source" in said
    set_params(
        checkout.root,
        TINY
        | {
            "data.div2k.mirror": address,
            "data.div2k.train": 5,
            "data.div2k.val": 2,
            "data.div2k.test": 2,
            "teacher.weights": str(path),
            "teacher.weights_sha256": digest,
        },
    )
    checkout.run("dvc", "repro", KDSHARP_DIV2K_ARCHIVES=str(listing))
    raw = checkout.root / "data/raw"
    assert [p.name for p in sorted((raw / "test").iterdir())] == ["0803.png", "0804.png"]
    assert len(list((raw / "train").iterdir())) == 5
    card = json.loads((checkout.root / "models/export/card.json").read_text())
    assert card["lineage"]["teacher"]["pretrained"] is True
    assert (checkout.root / "reports/report.html").exists()
