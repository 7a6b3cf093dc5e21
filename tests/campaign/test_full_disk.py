"""A disk that is full at each stage: one line, nothing half-written, and then it goes on."""

import os
import shutil
import subprocess
import sys

import pytest
from ruamel.yaml import YAML

from tests.integration.checkout import Checkout
from tests.integration.test_pipeline import SAME

pytestmark = [pytest.mark.integration, pytest.mark.timeout(0)]

STAGES = ("acquire", "patches", "gate", "teacher", "student", "export", "evaluate")
ROOMY = 4 << 30  # bytes; a limit, nothing is taken for it
PAGE = 4096


@pytest.fixture
def disk(tmp_path):
    """A disk in memory, where this user may make one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "none", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this user may not mount a disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.campaign(
    "a disk that gets full at a random byte of what a stage writes; the stage again with space",
    unit="full disks",
    slice=2,
    day=28,
    full=70,
)
def test_full_disks(part, trained, disk):
    checkout = Checkout(shutil.copytree(trained.root, disk / "project", symlinks=True))
    declared = YAML(typ="safe").load(checkout.root / "dvc.yaml")["stages"]
    order = [str(name) for name in part.rng.permutation(STAGES)]
    told = enough = 0
    for number in range(part.rounds):
        stage = order[number % len(order)]
        outs = [checkout.root / name for name in names(declared[stage])]
        size = sum(map(weigh, outs))
        for out in outs:  # as DVC does before it runs a stage
            shutil.rmtree(out) if out.is_dir() else out.unlink()
        limit(disk, used(disk) + int(part.rng.integers(0, size)) // PAGE * PAGE + PAGE)
        done = run(checkout, stage)
        limit(disk, ROOMY)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, (stage, said)
        if done.returncode == 0:
            enough += 1
        else:
            last = done.stderr.rstrip().splitlines()[-1]
            assert done.returncode == 2, (stage, said)
            assert last.startswith("pipeline: error: "), (stage, said)
            assert last.endswith(": free some space, then run the same command again"), (
                stage,
                said,
            )
            told += 1
        for out in outs:  # not there, or whole
            same_as(out, trained.root / out.relative_to(checkout.root))
        assert not [*checkout.root.rglob(".part-*")], stage
        again = run(checkout, stage)
        assert again.returncode == 0, (stage, again.stdout + again.stderr)
        for out in outs:
            assert out.exists(), (stage, out)
            same_as(out, trained.root / out.relative_to(checkout.root))
    part.note(
        f"{told} ended with one line and exit code 2, {enough} had room enough; nothing "
        "half-written, the same bytes with space"
    )
    assert told


def run(checkout, stage):
    """The stage itself: DVC's own files are not what is tried here."""
    python = shutil.which("python", path=checkout.env["PATH"]) or sys.executable
    return checkout.run(python, "-m", f"pipeline.stages.{stage}", code=None)


def names(stage):
    for out in [*stage["outs"], *stage.get("plots", ()), *stage.get("metrics", ())]:
        yield out if isinstance(out, str) else next(iter(out))


def weigh(path):
    if path.is_dir():
        return sum(weigh(inner) for inner in path.iterdir())
    return -(-path.stat().st_size // PAGE) * PAGE


def used(disk):
    found = os.statvfs(disk)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def limit(disk, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", str(disk)], check=True)


def same_as(path, whole):
    """What is deterministic has the same bytes, if it is there at all."""
    if not path.exists():
        return
    if path.is_dir():
        theirs = {p.relative_to(whole) for p in whole.rglob("*") if p.is_file()}
        assert {p.relative_to(path) for p in path.rglob("*") if p.is_file()} == theirs, path
        for name in theirs:
            same_as(path / name, whole / name)
    elif any(name in path.as_posix() for name in (*SAME, "data/raw", "data/gate")):
        assert path.read_bytes() == whole.read_bytes(), path
    else:
        assert path.stat().st_size > 0, path
