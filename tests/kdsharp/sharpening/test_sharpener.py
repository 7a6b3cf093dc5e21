import dataclasses
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from kdsharp import Sharpener
from kdsharp.color import luma
from kdsharp.errors import UserError
from kdsharp.imageio.photo import Photo
from kdsharp.runtime import model as single
from kdsharp.runtime.tiles import cut


@pytest.fixture
def luma_sharpener(luma_model):
    return Sharpener(luma_model, engine="onnxruntime")


@pytest.fixture
def rgb_sharpener(rgb_model):
    return Sharpener(rgb_model, engine="onnxruntime")


def test_luma_changes_and_chroma_does_not(luma_sharpener, picture):
    calm = picture // 3 + 85  # far from 0 and 255, where clipping would change the chroma
    step = luma_sharpener.array(calm).astype(int) - calm
    assert np.abs(step).max() > 3
    assert (step == step[..., :1]).all()
    planes_NCHW = (luma(calm) / 255)[None, None]
    residual = luma_sharpener.engine.run(planes_NCHW) - planes_NCHW
    np.testing.assert_allclose(step[..., 0], residual[0, 0] * 255, atol=0.51)


def test_rgb_runs_the_planes(rgb_sharpener, picture):
    planes_NCHW = picture.transpose(2, 0, 1)[None].astype(np.float32) / 255
    expected = rgb_sharpener.engine.run(planes_NCHW)[0].transpose(1, 2, 0)
    out = rgb_sharpener.array(picture)
    np.testing.assert_allclose(out, np.clip(expected * 255, 0, 255), atol=0.51)


@pytest.mark.parametrize("kind", ["luma_model", "rgb_model"])
def test_grey_is_sharpened_in_8_and_16_bits(request, picture, kind):
    sharpener = Sharpener(request.getfixturevalue(kind), engine="onnxruntime")
    grey = picture[..., 0] // 2 + 64
    out = sharpener.array(grey)
    assert (out.shape, out.dtype) == (grey.shape, np.uint8)
    assert (out != grey).any()
    deep = sharpener.array(grey.astype(np.uint16) * 257)
    assert deep.dtype == np.uint16
    np.testing.assert_allclose(deep / 257, out, atol=0.51)


def test_int8_is_close_in_8_and_16_bits_and_keeps_the_depth(int8_model, picture):
    exact, whole = (Sharpener(int8_model, precision=precision) for precision in ("fp32", "int8"))
    assert whole.engine.precision == "int8"
    calm = picture // 3 + 85
    step = whole.array(calm).astype(int) - calm
    assert (step != 0).any()
    assert np.abs(step - (exact.array(calm).astype(int) - calm)).max() <= 2
    deep = calm[..., 0].astype(np.uint16) * 257 + 100
    change = whole.array(deep).astype(int) - deep
    np.testing.assert_array_equal(change % 257, 0)  # whole steps of 8 bit on top of the depth
    assert (change != 0).any()


def test_grey_as_rgb_gives_the_same(luma_sharpener, picture):
    grey = picture[..., 0]
    color = np.repeat(grey[..., None], 3, axis=2)
    difference = luma_sharpener.array(color)[..., 1].astype(int) - luma_sharpener.array(grey)
    assert np.abs(difference).max() <= 1  # the weights add up to 1 only within float noise


def test_strength_scales_the_change(luma_model, picture):
    calm = picture // 3 + 85
    full = Sharpener(luma_model).array(calm).astype(int) - calm
    half = Sharpener(luma_model, strength=0.5).array(calm).astype(int) - calm
    np.testing.assert_allclose(half, full / 2, atol=1)
    np.testing.assert_array_equal(Sharpener(luma_model, strength=0).array(picture), picture)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_strength_above_1_carries_the_change_on_and_clips_the_sum_alone(luma_model, dtype):
    peak = np.iinfo(dtype).max
    levels = np.random.default_rng(2).integers(0, peak, (40, 50, 3), dtype, endpoint=True)
    full = Sharpener(luma_model, engine="onnxruntime").router.first
    beyond = Sharpener(luma_model, engine="onnxruntime", strength=1.75).array(levels)
    read_CHW = np.divide(full.read(levels), peak, dtype=np.float32)
    change = (full.engine.run(read_CHW[None])[0, 0] - read_CHW[0]) * peak
    expected = np.clip(levels + 1.75 * change[..., None], 0, peak)
    np.testing.assert_allclose(beyond, expected, atol=0.51 if dtype == np.uint8 else 2)
    assert np.abs(beyond.astype(int) - Sharpener(luma_model).array(levels)).max() > 1


def test_a_plane_of_video_is_carried_on_like_an_array(luma_model):
    levels = np.random.default_rng(3).integers(0, 256, (70, 50), np.uint8)
    single = Sharpener(luma_model, engine="onnxruntime", strength=2).router.first
    expected = np.empty_like(levels)
    single.array(levels, expected)
    np.testing.assert_array_equal(single.planes(levels[None], 255, 2048)[0], expected)


@pytest.mark.parametrize("strength", [-0.1, 2.1, float("nan"), float("inf")])
def test_strength_outside_0_to_2_is_refused(luma_model, strength):
    with pytest.raises(UserError, match="strength must be from 0 to 2"):
        Sharpener(luma_model, strength=strength)


@pytest.mark.parametrize("kind", ["luma_model", "rgb_model"])
def test_tiles_change_nothing(request, picture, monkeypatch, kind):
    sharpener = Sharpener(request.getfixturevalue(kind), engine="onnxruntime")
    whole = sharpener.array(picture)
    monkeypatch.setattr(single, "cut", lambda pixels, card, **more: cut(pixels, card, 16, **more))
    np.testing.assert_array_equal(sharpener.array(picture), whole)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0, 3), (5, 5, 4), (5,), (1, 5, 5, 3)])
def test_other_shapes_and_types_are_refused(luma_sharpener, shape):
    with pytest.raises(ValueError, match="need a picture"):
        luma_sharpener.array(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="need uint8 or uint16"):
        luma_sharpener.array(np.zeros((5, 5, 3), np.float32))


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (8, 3)])
def test_tiny_pictures(luma_sharpener, size):
    assert luma_sharpener.array(np.full((*size, 3), 7, np.uint8)).shape == (*size, 3)


@pytest.mark.parametrize(
    ("mode", "result"),
    [
        *[(mode, mode) for mode in ("L", "RGB", "LA", "RGBA", "I;16")],
        *[("P", "RGB"), ("CMYK", "RGB"), ("1", "RGB")],
    ],
)
def test_images_keep_mode_alpha_and_info(luma_sharpener, picture, mode, result):
    if mode == "I;16":
        image = Image.fromarray(picture[..., 0].astype(np.uint16) * 200)
    else:
        image = Image.fromarray(picture).convert(mode)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.info["icc_profile"] = b"profile"
    out = luma_sharpener.image(image)
    assert (out.mode, out.size, out.info["icc_profile"]) == (result, image.size, b"profile")
    if mode in ("LA", "RGBA"):
        np.testing.assert_array_equal(out.getchannel("A"), image.getchannel("A"))


def test_several_threads_share_a_sharpener(luma_sharpener, picture):
    pictures = [picture[: 20 + i, : 40 - i] for i in range(12)]
    expected = [luma_sharpener.array(part) for part in pictures]
    with ThreadPoolExecutor(4) as pool:
        for result, alone in zip(pool.map(luma_sharpener.array, pictures), expected, strict=True):
            np.testing.assert_array_equal(result, alone)


def test_a_file_becomes_a_file(luma_sharpener, photo, picture, tmp_path):
    luma_sharpener.file(photo, tmp_path / "new" / "out.png")
    with Image.open(tmp_path / "new" / "out.png") as written:
        np.testing.assert_array_equal(np.asarray(written), luma_sharpener.array(picture))


@pytest.fixture
def jpeg(tmp_path):
    """A JPEG with much colour, 4:2:0, of a size that is no multiple of its blocks."""
    y, x = np.mgrid[0:101, 0:75]
    waves = [127 + 90 * np.sin(x / (3 + 2 * c)) * np.cos(y / (4 + c)) for c in range(3)]
    image = Image.fromarray(np.stack(waves, axis=2).astype(np.uint8))
    image.save(tmp_path / "in.jpg", quality=92, subsampling=2)
    return tmp_path / "in.jpg"


def ycbcr(path):
    with Image.open(path) as image:
        image.draft("YCbCr", image.size)
        return np.asarray(image).astype(int)


@pytest.mark.parametrize(("subsampling", "mean"), [(0, 0.05), (2, 1.5)])
def test_the_chroma_of_a_jpeg_stays_what_it_is(luma_sharpener, jpeg, tmp_path, subsampling, mean):
    with Image.open(jpeg) as image:
        image.load()
        image.save(jpeg, quality=92, subsampling=subsampling)
    luma_sharpener.file(jpeg, tmp_path / "out.jpg")
    before, after = ycbcr(jpeg), ycbcr(tmp_path / "out.jpg")
    expected = luma_sharpener.array(before[..., 0].astype(np.uint8))
    assert np.abs(expected - before[..., 0]).mean() > 2
    assert np.abs(after[..., 0] - expected).mean() < 3
    # What is left is that decoders blur a chroma of half the size when they enlarge it.
    change = np.abs(after[..., 1:] - before[..., 1:])
    assert change.mean() < mean


def test_a_model_of_rgb_sharpens_a_jpeg_too(rgb_sharpener, jpeg, tmp_path):
    rgb_sharpener.file(jpeg, tmp_path / "out.jpg", quality=100)
    with Image.open(jpeg) as before, Image.open(tmp_path / "out.jpg") as after:
        expected = rgb_sharpener.array(np.asarray(before)).astype(int)
        assert np.abs(np.asarray(after) - expected).mean() < 2


def test_equal_steps_on_every_ink_and_black_like_grey(luma_sharpener, picture):
    calm = picture // 3 + 85
    inks = np.dstack((calm, calm[..., 1]))
    done = luma_sharpener.photo(Photo(inks.copy(), "CMYK")).pixels
    np.testing.assert_array_equal(done[..., :3], 255 - luma_sharpener.array(255 - calm))
    np.testing.assert_array_equal(done[..., 3], 255 - luma_sharpener.array(255 - calm[..., 1]))
    step = done[..., :3].astype(int) - calm
    assert (step == step[..., :1]).all()


def test_deep_colour_keeps_its_chroma(luma_sharpener, picture):
    calm = (picture // 3 + 85).astype(np.uint16) * 257 + 100
    step = luma_sharpener.array(calm).astype(int) - calm
    assert (step == step[..., :1]).all()
    assert len(np.unique(step % 257)) > 100


def test_a_photo_that_cannot_be_written_to_is_copied(luma_sharpener, picture):
    before = picture.copy()
    before.flags.writeable = False
    done = luma_sharpener.photo(Photo(before, "RGB"))
    np.testing.assert_array_equal(done.pixels, luma_sharpener.array(picture))


def test_a_plane_of_video(luma_sharpener, rgb_sharpener, int8_model, picture):
    levels = picture[..., 0]
    for sharpener in (luma_sharpener, rgb_sharpener, Sharpener(int8_model, precision="int8")):
        np.testing.assert_array_equal(sharpener.plane(levels), sharpener.array(levels))
    whole = Sharpener(int8_model, precision="int8")
    expected = whole.engine.run8(levels[None, None])[0, 0]
    np.testing.assert_array_equal(whole.plane(levels), expected)
    for bad in (picture, levels.astype(np.uint16)):
        with pytest.raises(ValueError, match=r"need a uint8 plane \(H, W\)"):
            luma_sharpener.plane(bad)


@pytest.mark.parametrize("place", [np.zeros_like, np.copy], ids=["another", "itself"])
def test_the_result_may_go_to_an_array_that_is_there(luma_sharpener, picture, place, monkeypatch):
    monkeypatch.setattr(single, "cut", lambda pixels, card, **more: cut(pixels, card, 16, **more))
    given = picture.copy()
    out = given if place is np.copy else place(picture)
    assert luma_sharpener.array(given, out=out) is out
    np.testing.assert_array_equal(out, luma_sharpener.array(picture))
    # A plane in the middle of others, as in frames of video.
    planes = picture.copy()
    luma_sharpener.plane(planes[..., 1], out=planes[..., 1])
    np.testing.assert_array_equal(planes[..., 1], luma_sharpener.plane(picture[..., 1]))
    np.testing.assert_array_equal(planes[..., ::2], picture[..., ::2])
    with pytest.raises(ValueError, match="out must be uint8"):
        luma_sharpener.array(picture, out=np.zeros((3, 3), np.uint8))


def test_file_objects_stand_for_standard_input_and_output(luma_sharpener, photo, jpeg, tmp_path):
    luma_sharpener.file(jpeg, tmp_path / "expected.jpg")
    luma_sharpener.file(photo, tmp_path / "expected.png")
    for source, kind, expected in [(jpeg, None, "expected.jpg"), (photo, ".png", "expected.png")]:
        out = io.BytesIO()
        luma_sharpener.file(io.BytesIO(source.read_bytes()), out, suffix=kind)
        assert out.getvalue() == (tmp_path / expected).read_bytes()
    out = io.BytesIO()
    with pytest.raises(UserError, match="not a picture"):
        luma_sharpener.file(io.BytesIO(b"nothing of the kind"), out)
    assert out.getvalue() == b""


def test_the_photo_itself_is_never_written(luma_sharpener, photo, tmp_path):
    before = photo.read_bytes()
    (tmp_path / "link.png").symlink_to(photo)
    for target in (photo, tmp_path / "link.png"):
        with pytest.raises(UserError, match="is the photo itself"):
            luma_sharpener.file(photo, target)
    assert photo.read_bytes() == before


def test_an_engine_that_is_loaded_is_taken(luma_sharpener, picture):
    shared = Sharpener(engine=luma_sharpener.engine)
    assert shared.engine is luma_sharpener.engine
    np.testing.assert_array_equal(shared.array(picture), luma_sharpener.array(picture))


def test_the_model_is_found_by_the_environment(luma_model, rgb_model, monkeypatch):
    monkeypatch.setenv("KDSHARP_MODEL", str(rgb_model))
    assert Sharpener().card.color == "rgb"
    assert Sharpener(str(luma_model)).card.color == "luma"
    assert dataclasses.is_dataclass(Sharpener().card)
