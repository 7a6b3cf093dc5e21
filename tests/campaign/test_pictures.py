"""Thousands of tiny pictures, and huge ones: bounded memory, and a clear end without."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.campaign.part import REPOSITORY
from tests.integration.checkout import set_params
from tests.models import make_model

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

HUGE = (8000, 6000)  # 48 megapixels, as a telephone of today takes them
TINY_BYTES, HUGE_BYTES, LEARN_BYTES = 900e6, 2.5e9, 1.5e9
LIMITS = (300e6, 600e6, 900e6, 1.5e9)  # of address space; the upper ones are enough


@pytest.fixture
def model(tmp_path):
    return make_model(tmp_path / "model")


def tiny(folder: Path, count: int, side: int) -> Path:
    """JPEGs in folders of a thousand, no two alike."""
    rng = np.random.default_rng(1)
    for number in range(count):
        path = folder / str(number // 1000) / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), np.uint8))
        coarse.resize((side, side)).save(path, quality=85)
    return folder


def huge(folder: Path, count: int) -> Path:
    folder.mkdir(parents=True)
    coarse = np.random.default_rng(2).integers(0, 256, (75, 100, 3), np.uint8)
    for number in range(count):
        picture = Image.fromarray(np.roll(coarse, number, axis=1)).resize(HUGE, Image.NEAREST)
        picture.save(folder / f"{number}.jpg", quality=80)
    return folder


# A process of its own, and a small one: what is forked counts the memory of who forked it as well.
WATCH = """
import os, sys
process = os.fork()
if not process:
    os.execvp(sys.argv[2], sys.argv[2:])
_, status, used = os.wait4(process, 0)
with open(sys.argv[1], "w") as said:
    said.write(str(used.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def measured(command, cwd=REPOSITORY, limit=None):
    """(code, stderr, most resident bytes) of a command."""
    before = limit and (lambda: resource.setrlimit(resource.RLIMIT_AS, (int(limit),) * 2))
    with tempfile.NamedTemporaryFile("r") as most:
        done = subprocess.run(
            [sys.executable, "-S", "-c", WATCH, most.name, *map(str, command)],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=before,
        )
        scale = 1 if sys.platform == "darwin" else 1024
        return done.returncode, done.stderr, int(most.read()) * scale


def sharpen(photos, target, model, **how):
    command = [sys.executable, "-m", "kdsharp", "sharpen", photos, "-o", target, "--model", model]
    return measured([*command, "--engine", "onnxruntime"], **how)


def count_files(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


def sharpen_all(part, photos, model, limit):
    """Each of `photos` gives one file, in less memory than `limit`."""
    target = photos.with_name("out")
    code, said, most = sharpen(photos, target, model)
    assert code == 0, said[-2000:]
    assert count_files(target) == part.rounds
    part.note(f"{most / 1e6:.0f} MB at most")
    assert most < limit


@pytest.mark.campaign(
    "tiny pictures (64x64) through `kdsharp sharpen FOLDER`",
    unit="pictures",
    slice=200,
    day=20_000,
    full=20_000,
)
def test_tiny_pictures(part, model, tmp_path):
    sharpen_all(part, tiny(tmp_path / "photos", part.rounds, 64), model, TINY_BYTES)


@pytest.mark.campaign(
    "huge pictures (48 megapixels) through `kdsharp sharpen FOLDER`",
    unit="pictures",
    slice=1,
    day=50,
    full=50,
)
def test_huge_pictures(part, model, tmp_path):
    sharpen_all(part, huge(tmp_path / "photos", part.rounds), model, HUGE_BYTES)


@pytest.mark.campaign(
    "tiny pictures (64x64), and one huge one among 400 of them, through the stage `acquire`",
    unit="pictures",
    slice=200,
    day=20_000,
    full=20_000,
)
def test_acquired_pictures(part, tmp_path):
    photos = tiny(tmp_path / "photos", part.rounds, 64)
    large = max(1, part.rounds // 400)
    huge(photos / "huge", large)
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "params.yaml").write_bytes((REPOSITORY / "params.yaml").read_bytes())
    set_params(
        checkout,
        {
            "data.source": "folder",
            "data.folder.path": str(photos),
            "data.min_side": 32,
            "data.duplicate_distance": 0,
        },
    )
    command = [sys.executable, "-m", "pipeline.stages.acquire"]
    code, said, most = measured(command, cwd=checkout)
    assert code == 0, said[-2000:]
    with (checkout / "data/raw/manifest.csv").open() as opened:
        rows = sum(1 for _ in opened) - 1
    assert rows > 0.9 * part.rounds  # some of these pictures look alike
    part.note(f"{rows} of {part.rounds + large} pictures taken, {most / 1e6:.0f} MB at most")
    assert most < LEARN_BYTES


@pytest.mark.campaign(
    "a huge picture and twenty tiny ones, sharpened with a limit of memory (RLIMIT_AS)",
    unit="limits",
    slice=2,
    day=4,
    full=4,
)
def test_limited_memory(part, model, tmp_path):
    photos = tiny(tmp_path / "photos", 20, 64)
    huge(photos / "huge", 1)
    for number in range(part.rounds):
        limit = LIMITS[number % len(LIMITS)]
        target = tmp_path / f"out-{number}"
        code, said, _ = sharpen(photos, target, model, limit=limit)
        assert code in (0, 1, 2), (limit, code, said)
        assert "Traceback" not in said, (limit, said)
        assert not [*target.rglob(".part-*")]
        done = count_files(target)
        assert code or done == 21
        last = said.rstrip().splitlines()[-1] if code else "all is done"
        part.note(f"{limit / 1e6:.0f} MB: code {code}, {done} of 21 written: {last[:160]}")
