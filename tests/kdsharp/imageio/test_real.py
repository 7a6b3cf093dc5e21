"""Photos that others made, sharpened: what is in their files comes out again."""

import io
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image
from PIL.JpegImagePlugin import get_sampling

from kdsharp import Sharpener
from kdsharp.imageio.photo import Photo
from kdsharp.imageio.read import open_photo
from kdsharp.imageio.write import save_photo
from tests.kdsharp.imageio.made import EXIF, GPS, MAKE, ORIENTATION, TAKEN, exif

PICTURES = Path(skimage.__file__).parent / "data"
KEPT = ("exif", "icc_profile", "xmp", "dpi")


@pytest.fixture
def sharpener(luma_model):
    return Sharpener(luma_model, engine="onnxruntime", threads=1)


def ycbcr(data):
    image = Image.open(io.BytesIO(data))
    image.draft("YCbCr", image.size)
    return np.asarray(image).astype(int)


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("hubble_deep_field.jpg", {"exif", "icc_profile", "xmp", "dpi"}),
        ("rocket.jpg", {"icc_profile"}),
        ("chelsea.png", {"icc_profile", "xmp", "dpi"}),
        ("astronaut.png", {"icc_profile"}),
        ("ihc.png", {"xmp"}),
    ],
)
def test_metadata_of_real_photos_is_the_same_bytes(sharpener, tmp_path, name, holds):
    sharpener.file(PICTURES / name, tmp_path / name)
    with Image.open(PICTURES / name) as before, Image.open(tmp_path / name) as after:
        for image in (before, after):
            image.load()
        found = {key for key in KEPT if before.info.get(key)}
        assert found >= holds
        assert {key: after.info.get(key) for key in found} == {k: before.info[k] for k in found}
        assert (after.format, after.mode, after.size) == (before.format, before.mode, before.size)
        assert not np.array_equal(np.asarray(after), np.asarray(before))
        if before.format == "JPEG":
            assert after.quantization == before.quantization
            assert get_sampling(after) == get_sampling(before)


def test_alpha_of_a_real_picture_is_the_same(sharpener, tmp_path):
    sharpener.file(PICTURES / "horse.png", tmp_path / "horse.png")
    with Image.open(PICTURES / "horse.png") as before, Image.open(tmp_path / "horse.png") as after:
        assert before.mode == after.mode == "RGBA"
        alpha = np.asarray(after.getchannel("A"))
        np.testing.assert_array_equal(alpha, np.asarray(before.getchannel("A")))


@pytest.mark.parametrize("name", ["Picture_0B_by_freespace.jpg", "Picture_1A_by_freespace.jpg"])
def test_a_camera_s_jpeg_on_its_side(sharpener, shared_data, tmp_path, name):
    """Colours, compression, EXIF with GPS, and the right way up."""
    source = (shared_data / "free" / name).read_bytes()
    # As cameras do it: the pixels as they lie, and a mark of how they are meant.
    head = exif(orientation=6)
    marked = source[:2] + b"\xff\xe1" + (len(head) + 2).to_bytes(2, "big") + head + source[2:]
    (tmp_path / "in.jpg").write_bytes(marked)
    sharpener.file(tmp_path / "in.jpg", tmp_path / "out.jpg")
    with Image.open(io.BytesIO(source)) as before, Image.open(tmp_path / "out.jpg") as after:
        assert after.size == before.size[::-1]
        assert after.quantization == before.quantization
        assert get_sampling(after) == get_sampling(before)
        found = after.getexif()
        assert (found[MAKE], found[ORIENTATION]) == ("Camera", 1)
        assert found.get_ifd(EXIF)[TAKEN] == "2024:01:02 03:04:05"
        assert found.get_ifd(GPS)[1] == "N"
    turned = np.rot90(ycbcr(source), -1)
    change = np.abs(ycbcr((tmp_path / "out.jpg").read_bytes()) - turned)
    assert change[..., 0].mean() > 0.5
    # Blocks lie elsewhere when a photo is turned, so that the chroma is rounded once more.
    assert change[..., 1:].mean() < 0.8


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_16_bits_of_a_real_photo(sharpener, shared_data, tmp_path, suffix):
    """Means of four pixels fill 16 bits; what is added to them has more than 8."""
    with Image.open(shared_data / "substitute" / "valid_HR" / "wiki_004.png") as image:
        fine = np.asarray(image.convert("RGB")).astype(np.uint32)
    height, width = (side // 2 * 2 for side in fine.shape[:2])
    quarters = (fine[i:height:2, j:width:2] for i in (0, 1) for j in (0, 1))
    sixteen_bit = (sum(quarters) * 257 // 4).astype(np.uint16)
    save_photo(Photo(sixteen_bit, "RGB"), tmp_path / f"in{suffix}")
    sharpener.file(tmp_path / f"in{suffix}", tmp_path / f"out{suffix}")
    found = open_photo(tmp_path / f"out{suffix}").pixels
    np.testing.assert_array_equal(found, sharpener.array(sixteen_bit))
    shallow = sharpener.array((sixteen_bit // 257).astype(np.uint8))
    assert np.abs(found / 257 - shallow).mean() < 1
    assert len(np.unique(found % 257)) == 257
