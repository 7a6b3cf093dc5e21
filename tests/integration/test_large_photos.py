"""100 megapixels in bounded memory."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc"),
]

SIZE = (8400, 12000)  # 100.8 megapixels
CODE = """
import sys
from pathlib import Path
from kdsharp import Sharpener
Sharpener(sys.argv[1], engine="onnxruntime", threads=1).file(sys.argv[2], sys.argv[3])
# Not getrusage, which also counts what the starting process had.
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_of_100_megapixels_fits_in_1_5_gigabytes(luma_model, tmp_path, dtype):
    y, x = np.ogrid[: SIZE[0], : SIZE[1]]
    plane = ((x // 7 + y // 5) % 251).astype(dtype)
    picture = np.repeat(plane[..., None], 3, axis=2)
    tifffile.imwrite(
        tmp_path / "in.tif", picture, photometric="rgb", compression="zlib", rowsperstrip=64
    )
    del picture, plane
    command = [sys.executable, "-W", "error", "-c", CODE, luma_model]
    done = subprocess.run(
        [*command, tmp_path / "in.tif", tmp_path / "out.tif"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) * 1024 < 1.5e9
    with tifffile.TiffFile(tmp_path / "out.tif") as written:
        assert written.pages[0].shape == (*SIZE, 3)
        assert written.pages[0].dtype == dtype
