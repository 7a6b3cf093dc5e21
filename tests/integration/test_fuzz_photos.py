"""300 damaged files of every format; each either becomes a sharpened photo or one line."""

import subprocess
import sys

import pytest

from tests.kdsharp.imageio.fuzz import KINDS

pytestmark = pytest.mark.integration

COUNT = 300
# In a process of its own, because a decoder that crashes would take the tests with it; two seconds
# for one small file would be a hang.
CODE = """
import sys, time
from pathlib import Path
from kdsharp import Sharpener
from tests.kdsharp.imageio.fuzz import check, damaged
model, folder, kind, count = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
sharpener = Sharpener(model, engine="onnxruntime", threads=1)
(folder / "here").mkdir()
slowest = sharpened = 0
for data in damaged(kind, count, folder):
    start = time.monotonic()
    sharpened += check(sharpener, data, folder / "here", "." + kind.lower())
    slowest = max(slowest, time.monotonic() - start)
print(sharpened, slowest)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_photos_neither_crash_nor_hang(luma_model, tmp_path, monkeypatch, kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="needs the extra heic")
    monkeypatch.setenv("KDSHARP_MAX_MEGAPIXELS", "2")
    command = [sys.executable, "-c", CODE, luma_model, tmp_path, kind, str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    sharpened, slowest = done.stdout.split()
    assert int(sharpened) < COUNT
    # All of a PNG is under checksums, and so any damage to it is noticed.
    assert (int(sharpened) > 0) == (kind != "PNG")
    assert float(slowest) < 20  # of machines that do something else as well
