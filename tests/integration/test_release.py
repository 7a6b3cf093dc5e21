"""The recipe of the models that ship, at a size of seconds: killed and resumed, it is the same."""

import os
import signal
import time

import numpy as np
import pytest
from PIL import Image

from tests.integration.checkout import make_checkout, set_params

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

# What makes it small; how it trains stays as presets/release.yaml says.
SMALL = {
    "patches.size": 64,
    "patches.train": 64,
    "patches.val": 8,
    "teacher.loop.epochs": 2,
    "teacher.loop.crop": 48,
    "teacher.loop.checkpoint_minutes": 0,
    "student.loop.crop": 32,
    "student.loop.epochs": 2,
    "student.loop.repeats": 12,
    "student.loop.checkpoint_minutes": 0,
}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Six PNGs and six JPEGs in the three splits, with their licences."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    lines = ["name,licence,author"]
    for number in range(12):
        suffix, side = ("png", 90) if number % 2 else ("jpg", 180)
        split = {10: "val", 11: "test"}.get(number, "train")
        path = folder / split / f"{number}.{suffix}"
        path.parent.mkdir(exist_ok=True)
        cells = random.integers(0, 256, (side // 6, side // 6, 3), np.uint8)
        Image.fromarray(cells).resize((side, side), Image.Resampling.BICUBIC).save(path)
        lines.append(f"{split}/{path.name},CC BY 4.0,Author {number % 3}")
    (folder / "LICENCES.csv").write_text("\n".join(lines) + "\n")
    return folder


def prepare(root, photos):
    checkout = make_checkout(root)
    checkout.run("python", "-m", "pipeline", "preset", "release", "small-x2")
    set_params(root, {**SMALL, "data.folder.path": str(photos)})
    return checkout


def kill_after(checkout, stage, saves):
    """Run `dvc repro`, and kill it when the checkpoint of `stage` has been written that often."""
    process = checkout.start("dvc", "repro", "export")
    seen = set()
    while len(seen) < saves:
        assert process.poll() is None, f"{stage} ended after {len(seen)} checkpoints"
        for path in checkout.root.glob(f".checkpoints/{stage}-*/last.pt"):
            seen.add(path.stat().st_mtime_ns)
        time.sleep(0.003)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def contents(checkout):
    models = checkout.root / "models"
    files = [path for path in models.rglob("*") if path.is_file() and path.name != ".gitignore"]
    return {path.relative_to(models).as_posix(): path.read_bytes() for path in files}


def test_interrupted_and_resumed_it_gives_the_same_bytes(photos, tmp_path):
    whole = prepare(tmp_path / "whole", photos)
    whole.run("dvc", "repro", "export")
    killed = prepare(tmp_path / "killed", photos)
    # SOAP turns its axes every 25 steps: the teacher resumes before it does, the student after.
    for stage, saves in (("teacher", 5), ("student", 30)):
        kill_after(killed, stage, saves)
        assert f"{stage}.safetensors" not in contents(killed)
    assert "resuming at step" in killed.run("dvc", "repro", "export").stdout
    expected, made = contents(whole), contents(killed)
    assert {"student.safetensors", "export/card.json", "export/student.onnx"} <= set(expected)
    assert {name: made[name] == expected[name] for name in expected} == dict.fromkeys(made, True)
