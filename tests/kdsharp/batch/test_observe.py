"""`kdsharp sharpen --observe`: the photo as it came, whatever became of its file."""

import shutil

from kdsharp.batch.request import Request, sharpen_all
from kdsharp.observe.log import read_log
from kdsharp.observe.statistics import measure
from kdsharp.sharpening.sharpener import Sharpener


def sharpen(tmp_path, luma_model, photo, out, strength=1.0):
    def load(streams):
        return Sharpener(luma_model, engine="onnxruntime", strength=strength, streams=streams)

    seen = tmp_path / "seen"
    sharpen_all(Request([photo], out, load, observe=seen), lambda line: None)
    (one,) = read_log(seen)
    return one


def test_a_photo(tmp_path, luma_model, photo, picture):
    one = sharpen(tmp_path, luma_model, photo, str(tmp_path / "out.png"))
    assert (one.source, one.model, one.route) == ("sharpen", "model", "fixed")
    assert one.statistics["detail"] == measure(picture)["detail"]


def test_one_that_is_replaced(tmp_path, luma_model, photo, picture):
    before = shutil.copy(photo, tmp_path / "before.png")
    one = sharpen(tmp_path, luma_model, photo, None)
    assert photo.read_bytes() != before.read_bytes()
    assert one.statistics["detail"] == measure(picture)["detail"]
    assert one.bytes == before.stat().st_size
