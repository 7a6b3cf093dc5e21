import pytest

from kdsharp import Sharpener
from kdsharp.imageio.decode import LIMIT
from tests.kdsharp.imageio.fuzz import KINDS, check, damaged, sound

COUNT = 40


@pytest.fixture
def sharpener(luma_model, monkeypatch):
    monkeypatch.setenv(LIMIT, "2")  # so that no file asks for minutes
    return Sharpener(luma_model, engine="onnxruntime", threads=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_photo_is_a_photo_or_one_line(sharpener, tmp_path, kind):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif", reason="needs the extra heic")
    (tmp_path / "here").mkdir()
    for data in sound(kind, tmp_path):
        assert check(sharpener, data, tmp_path / "here", f".{kind.lower()}")
    passed = [
        check(sharpener, data, tmp_path / "here", f".{kind.lower()}")
        for data in damaged(kind, COUNT, tmp_path)
    ]
    assert 0 < passed.count(False) <= COUNT
