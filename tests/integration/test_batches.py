"""Folders that are killed, interrupted, closed, read-only or full."""

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.models import make_model

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.name == "nt", reason="needs POSIX")]
ROOT = Path(__file__).parents[2]
COUNT = 24
NAMES = ("a b/{}.jpg", "new\nline/{}.png", "ü/ö {}.jpg", os.fsdecode(b"\xff{}.jpg"))


@pytest.fixture
def place():
    """A folder that others may read too, unlike pytest's."""
    with tempfile.TemporaryDirectory(prefix="kdsharp-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture
def photos(place):
    """A tree of photos of about a megapixel, with names that are hard to bear."""
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (COUNT, 40, 50, 3), np.uint8)
    for index in range(COUNT):
        name = ["a b/{}.jpg", "new\nline/{}.png", "ü/ö {}.jpg", os.fsdecode(b"\xff{}.jpg")][
            index % 4
        ]
        path = place / "photos" / name.format(index)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(coarse[index]).resize((1150, 920)).save(path)
    return place / "photos"


def command(place, *arguments):
    model = make_model(place / "model")
    options = ["--model", str(model), "--engine", "onnxruntime"]
    return [sys.executable, "-m", "kdsharp", "sharpen", *map(str, arguments), *options]


def run(place, *arguments, before=(), **options):
    line = [*before, *command(place, *arguments)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, check=False, **options)
    err = done.stderr.decode(errors="surrogateescape")
    assert "Traceback" not in err
    return done.returncode, err


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def wait_for_files(folder, count, process):
    end = time.monotonic() + 60
    while len([p for p in folder.rglob("*") if p.is_file() and p.name[0] != "."]) < count:
        assert process.poll() is None, "it was done too soon"
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_killed_run_goes_on_to_the_same_result(place, photos):
    assert run(place, photos, "-o", place / "whole")[0] == 0
    whole = files(place / "whole")
    assert len(whole) == COUNT
    for count in (1, 5, 9):
        process = subprocess.Popen(
            command(place, photos, "-o", place / "out", "--skip-existing"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        (place / "out").mkdir(exist_ok=True)
        wait_for_files(place / "out", count, process)
        process.kill()
        process.wait()
        found = files(place / "out")
        assert 0 < len(found) < COUNT + 5
        assert all(whole[name] == data for name, data in found.items() if name.name[0] != ".")
    # As a kill in the middle of a write leaves it.
    left = place / "out" / "a b" / f".part-abcdefgh-{0}.jpg"
    left.parent.mkdir(exist_ok=True)
    left.write_bytes(b"half")
    table = place / "table.csv"
    assert run(place, photos, "-o", place / "out", "--skip-existing", "--csv", table)[0] == 0
    assert files(place / "out") == whole
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        rows = list(csv.DictReader(opened))
    assert {row["status"] for row in rows} == {"written", "there already"}
    assert {Path(row["target"]) for row in rows} == {place / "out" / name for name in whole}


def test_an_interrupt_ends_it_at_once(place, photos):
    out, table = place / "out", place / "table.csv"
    out.mkdir()
    process = subprocess.Popen(
        command(place, photos, "-o", out, "--csv", table),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    wait_for_files(out, 3, process)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    err = process.communicate(timeout=30)[1].decode()
    assert time.monotonic() - start < 5
    assert (process.returncode, err.splitlines()[-1]) == (130, "kdsharp: error: interrupted")
    found = files(out)
    assert 3 <= len(found) < COUNT
    for name in found:
        assert name.name[0] != "."
        Image.open(out / name).load()
    with table.open(newline="", encoding="utf-8", errors="surrogateescape") as opened:
        told = {Path(row["target"]).relative_to(out) for row in csv.DictReader(opened)}
    assert told
    assert told <= set(found)


def test_an_interrupt_does_not_wait_for_a_large_picture(place):
    """A minute of work: forty megapixels of noise, as a PNG."""
    noise = np.random.default_rng(1).integers(0, 256, (5000, 8000, 3), np.uint8)
    Image.fromarray(noise).save(place / "large.bmp")
    process = subprocess.Popen(
        command(place, place / "large.bmp", "-o", place / "large.png"),
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    process.stderr.readline()  # the engine is loaded
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - start < 5
    assert sorted(path.name for path in place.iterdir()) == ["large.bmp", "model"]


def test_files_that_may_not_be_so_large(place, photos):
    def small():
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    code, err = run(place, photos / "a b", "-o", place / "out", preexec_fn=small)
    assert code == 2
    assert err.count("is larger than this file system allows") == COUNT // 4
    assert files(place / "out") == {}


@pytest.fixture
def disk(place):
    """A disk of 2 MB, where this user may make one: a PNG in the making, and some JPEGs, fit."""
    folder = place / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_the_run_and_keeps_what_is_whole(place, photos, disk):
    code, err = run(place, photos, "-o", disk / "out", "--csv", place / "table.csv")
    assert code == 2
    last = err.splitlines()[-1]
    assert last.startswith("kdsharp: error: the disk is full while writing ")
    assert last.endswith(": free some space, then run the same command again")
    whole = files(disk)
    assert whole
    for name in whole:
        assert name.name[0] != "."
        Image.open(disk / name).load()
    assert (place / "table.csv").is_file()


def test_a_read_only_disk_is_named(place, photos, disk):
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    code, err = run(place, photos / "a b" / "0.jpg", "-o", f"{disk}/")
    assert (code, err.splitlines()[-1]) == (
        2,
        f"kdsharp: error: {disk}/0.jpg: the file system is read-only",
    )


def test_closed_folders_and_files_are_told_and_the_rest_is_done(place, photos):
    out = place / "out"
    (out / "ü").mkdir(parents=True)
    closed = [photos / "new\nline", photos / "a b" / "0.jpg", out / "ü"]
    # Permissions mean nothing to root, unless it gives that power up.
    before = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    if not os.getuid() and not shutil.which("setpriv"):
        pytest.skip("root cannot give up its power: setpriv (util-linux) is missing")
    for path in closed:
        path.chmod(0o555 if path.parent == out else 0)
    try:
        code, err = run(place, photos, "-o", out, before=() if os.getuid() else before)
    finally:
        for path in closed:
            path.chmod(0o755)
    assert code == 2
    lines = err.splitlines()
    assert f"kdsharp: {photos}/new line: permission denied" in lines
    assert f"kdsharp: {photos}/a b/0.jpg: permission denied" in lines
    assert sum("out/ü/ö" in line and "permission denied" in line for line in lines) == COUNT // 4
    assert lines[-1].startswith(f"kdsharp: error: {COUNT // 4 + 2} of {COUNT * 3 // 4 + 1} photos")
    assert len(files(out)) == COUNT // 2 - 1


def test_in_place_replaces_each_whole(place, photos):
    assert run(place, photos, "-o", place / "out")[0] == 0
    own = photos.rename(place / "own")
    (own / "link.jpg").symlink_to("a b/0.jpg")
    (own / "round").symlink_to(own)
    assert run(place, own, "--in-place")[0] == 0
    assert (own / "link.jpg").is_symlink()
    (own / "link.jpg").unlink()
    (own / "round").unlink()
    assert files(own) == files(place / "out")
