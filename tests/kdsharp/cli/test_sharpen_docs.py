"""The Python on the page about sharpening does what the page says."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.kdsharp.imageio.made import noise

PAGE = Path(__file__).parents[3] / "docs" / "sharpen.md"


def test_the_examples_run(tmp_path, monkeypatch, luma_model, picture):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KDSHARP_MODEL", str(luma_model))
    Image.fromarray(picture).save("photo.jpg")
    Image.fromarray(noise((30, 20))).save("scan.tif")
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 7
    names = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["sharpener"].card.color == "luma"
    for name in ("sharp.jpg", "sharp-photo.jpg", "sharp-scan.tif", "sharp.tif"):
        assert Path(name).stat().st_size > 0
    with Image.open(names["out"]) as written:
        assert (written.format, written.size) == ("PNG", (53, 37))
    assert not np.array_equal(names["sharp"], names["rgb"])


@pytest.mark.parametrize("method", re.findall(r"`?sharpener\.(\w+)\(", PAGE.read_text()))
def test_methods_on_the_page_are_public(method):
    from kdsharp import Sharpener

    assert getattr(Sharpener, method).__doc__
