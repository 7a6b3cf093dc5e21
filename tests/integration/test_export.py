"""What `kdsharp export` writes, run by the programs that it is for, beside the engine."""

import base64

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.color import luma
from kdsharp.export.targets import export
from kdsharp.runtime.catalog import SHIPPED
from kdsharp.runtime.engine import load_engine
from kdsharp.runtime.enlarge import Enlarger, bicubic
from kdsharp.runtime.model import LoadedModel
from tests.integration.players import mpv, page, placebo, screen
from tests.upscaling import make_folder, make_student

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

STEP = 1.0  # of 255

DRAW = """async ([file, picture]) => {
    const { createSharpener } = await import(file);
    const canvas = document.createElement("canvas");
    const sharpener = await createSharpener(canvas);
    const bitmap = await createImageBitmap(await (await fetch(picture)).blob());
    sharpener.sharpen(bitmap);
    sharpener.sharpen(bitmap);  // the second use of everything
    const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d");
    copy.drawImage(canvas, 0, 0);
    const { data, width, height } = copy.getImageData(0, 0, canvas.width, canvas.height);
    sharpener.dispose();
    const text = data.reduce((all, byte) => all + String.fromCharCode(byte), "");
    return { data: btoa(text), width, height };
}"""


@pytest.fixture(scope="module")
def photo():
    """A cat's eye, odd on both sides."""
    return np.ascontiguousarray(data.chelsea()[80:153, 120:211])


@pytest.fixture
def gray(photo):
    """Its luma between planes without colour, as YUV in full range."""
    plane = np.rint(luma(photo)).astype(np.uint8)
    return np.stack([plane, *[np.full_like(plane, 128)] * 2])


@pytest.fixture(scope="module")
def rgb_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rgb")
    make_folder(folder, make_student(2, "rgb", convs=5))
    return folder


def sharpened(folder, plane, times):
    """Luma (H, W) of 0..255 as the engine has it, not rounded."""
    planes = plane[None].astype(np.float32) / 255
    large = bicubic(planes, times) if times > 1 else planes
    return np.clip(load_engine(folder, "onnxruntime").run(large[None])[0, 0], 0, 1) * 255


@pytest.mark.parametrize(("name", "upscale"), [("nano-x2", False), ("nano-x3", True)])
def test_a_user_shader_in_libplacebo(tmp_path, gray, name, upscale):
    folder, times = SHIPPED / name, int(name[-1]) if upscale else 1
    assert np.abs(placebo(gray)[0] - gray[0]).max() < STEP  # libplacebo alone changes nothing
    export(folder, "glsl", tmp_path / "x.glsl", upscale=upscale)
    found = placebo(gray, tmp_path / "x.glsl", times)[0]
    expected = sharpened(folder, gray[0], times)
    assert np.abs(found - expected).max() <= STEP
    assert np.abs(expected - bicubic(gray[:1].astype(np.float32), times)[0]).max() > 10 * STEP


@pytest.mark.parametrize(("name", "upscale"), [("nano-x2", False), ("nano-x2", True)])
def test_a_user_shader_in_mpv(tmp_path, gray, name, upscale):
    folder, times = SHIPPED / name, 2 if upscale else 1
    height, width = gray.shape[1:]
    head = f"YUV4MPEG2 W{width} H{height} F25:1 Ip A1:1 C444 XCOLORRANGE=FULL\nFRAME\n"
    (tmp_path / "x.y4m").write_bytes(head.encode() + gray.tobytes())
    export(folder, "glsl", tmp_path / "x.glsl", upscale=upscale)
    size = (width * times, height * times)
    with screen() as display:
        found = mpv(display, tmp_path, tmp_path / "x.y4m", size, tmp_path / "x.glsl")
    assert found.shape == (size[1], size[0], 3)
    assert np.abs(found[..., 1] - np.rint(sharpened(folder, gray[0], times))).max() <= STEP


def test_a_shader_for_rgb_in_mpv(tmp_path, photo, rgb_folder):
    export(rgb_folder, "glsl", tmp_path / "x.glsl")
    Image.fromarray(photo).save(tmp_path / "x.png")
    size = (photo.shape[1], photo.shape[0])
    with screen() as display:
        found = mpv(display, tmp_path, tmp_path / "x.png", size, tmp_path / "x.glsl")
    expected = np.empty_like(photo)
    LoadedModel(load_engine(rgb_folder, "onnxruntime")).array(photo, expected)
    assert np.abs(found.astype(int) - expected).max() <= STEP
    assert np.abs(photo.astype(int) - expected).max() > 10 * STEP


@pytest.mark.parametrize("target", ["webgl2", "wgsl"])
def test_a_module_in_the_browser(tmp_path, photo, rgb_folder, target):
    Image.fromarray(photo).save(tmp_path / "photo.png")
    cases = [(SHIPPED / "nano-x2", False), (SHIPPED / "nano-x3", True), (rgb_folder, False)]
    with page(tmp_path) as opened:
        for number, (folder, upscale) in enumerate(cases):
            export(folder, target, tmp_path / f"{number}.js", upscale=upscale)
            drawn = opened.evaluate(DRAW, [f"/{number}.js", "/photo.png"])
            shape = (drawn["height"], drawn["width"], 4)
            found = np.frombuffer(base64.b64decode(drawn["data"]), np.uint8).reshape(shape)
            single = LoadedModel(load_engine(folder, "onnxruntime"))
            if upscale:
                times = single.card.scale
                expected = np.empty((photo.shape[0] * times, photo.shape[1] * times, 3), np.uint8)
                Enlarger(single).array(photo, expected)
            else:
                expected = np.empty_like(photo)
                single.array(photo, expected)
            assert found.shape[:2] == expected.shape[:2]
            assert np.abs(found[..., :3].astype(int) - expected).max() <= STEP
            assert (found[..., 3] == 255).all()
