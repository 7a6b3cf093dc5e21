"""The page in a real browser: pictures, on a plain host and beside the service."""

import base64
import io
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp import Sharpener
from kdsharp.metrics import psnr
from tests.integration.browsing import READY, ROOT, browsing, running_service, settle

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

DONE = "[data-download][href]"
FILES = "input[name=files]"
STATUS = "#pictures [role=status]"
GAP = """() => {
    window.gap = 0;
    let last = performance.now();
    setInterval(() => {
        const now = performance.now();
        window.gap = Math.max(window.gap, now - last);
        last = now;
    }, 20);
}"""
GIVE = """([kind, letters]) => {
    const bytes = Uint8Array.from(atob(letters), (letter) => letter.charCodeAt(0));
    const given = new DataTransfer();
    given.items.add(new File([bytes], "given.png", { type: "image/png" }));
    const event = kind === "drop"
        ? new DragEvent("drop", { dataTransfer: given, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: given, bubbles: true });
    document.body.dispatchEvent(event);
}"""
NAMELESS = """() => [...document.querySelectorAll("button, a, input, select, canvas, video")]
    .filter((one) => !(one.textContent.trim() || one.ariaLabel || one.labels?.length))
    .map((one) => one.outerHTML)"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A sharp photo, and a PNG of it that was made small and large again."""
    truth = Image.fromarray(data.chelsea()[20:260, 60:380])
    soft = truth.resize((160, 120), Image.Resampling.BICUBIC)
    path = tmp_path_factory.mktemp("photos") / "cat.png"
    soft.resize(truth.size, Image.Resampling.BICUBIC).save(path)
    return np.asarray(truth), path


def download(page):
    """The result that the page offers, and its name."""
    with page.expect_download() as held:
        page.click("[data-download]")
    return held.value.path().read_bytes(), held.value.suggested_filename


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def canvas(page):
    """What is seen of the picture; RGB (H, W, 3)."""
    settle(page)
    shown = page.evaluate("() => document.querySelector('kd-viewer canvas').toDataURL()")
    image = Image.open(io.BytesIO(base64.b64decode(shown.split(",")[1]))).convert("RGBA")
    return np.asarray(image)


def test_a_picture_is_sharpened_in_the_browser_as_by_the_command(site, photos):
    truth, path = photos
    with browsing(site) as page:
        page.wait_for_selector(READY)
        page.select_option("#pictures [name=model]", "nano-x2")
        page.set_input_files(FILES, path)
        page.wait_for_selector(DONE)
        assert "nano-x2, in this browser (WASM" in page.inner_text(STATUS)
        content, name = download(page)
        assert name == "cat-sharp.png"
        soft, found = np.asarray(Image.open(path)), pixels(content)
        expected = Sharpener("nano-x2", precision="fp32").array(soft)
        assert np.abs(found.astype(int) - expected).max() <= 1
        gain = psnr(truth, found) - psnr(truth, soft)
        assert gain > 0.5
        page.select_option("#pictures [name=times]", "2")
        page.wait_for_function(
            f"() => /in this browser \\(WebG/.test(document.querySelector('{STATUS}').textContent)"
        )
        large = pixels(download(page)[0])
        expected = Sharpener("nano-x2", precision="fp32").upscale(soft, 2)
        assert np.abs(large.astype(int) - expected).max() <= 1


def test_the_line_the_zoom_and_the_difference(site, photos):
    _, path = photos
    soft = np.asarray(Image.open(path))
    with browsing(site) as page:
        page.wait_for_selector(READY)
        page.set_input_files(FILES, path)
        page.wait_for_selector(DONE)
        sharp = pixels(download(page)[0])
        slider = page.get_by_label("Share of the picture that is shown as it was")
        slider.focus()
        page.keyboard.press("End")
        before = canvas(page)
        top, left = (
            (side - part) // 2 for side, part in zip(before.shape, soft.shape[:2], strict=False)
        )
        area = np.s_[top : top + soft.shape[0], left : left + soft.shape[1], :3]
        assert (before[area] == soft).all()
        page.keyboard.press("Home")
        assert (canvas(page)[area] == sharp).all()
        page.check("[name=difference]")
        change = np.abs(sharp.astype(int) - soft)
        assert np.abs(canvas(page)[area] - np.minimum(8 * change, 255)).max() <= 8
        page.uncheck("[name=difference]")
        page.get_by_label("Larger").focus()
        for _ in range(12):  # 1.25 to that power is more than 14
            page.keyboard.press("Enter")
        large = canvas(page)[40:90, 40:90, :3]
        assert len({tuple(color) for color in large.reshape(-1, 3)}) < 50  # squares of one color
        page.get_by_label("All of the picture").click()
        box = page.locator("kd-viewer canvas").bounding_box()
        page.mouse.move(box["x"] + 50, box["y"] + 50)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60)
        page.mouse.up()
        assert abs(float(slider.input_value()) - 75) <= 1


def test_dropped_pasted_and_several(site, photos, tmp_path):
    _, path = photos
    letters = base64.b64encode(path.read_bytes()).decode()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with browsing(site) as page:
        page.wait_for_selector(READY)
        page.select_option("#pictures [name=model]", "nano-x2")
        for kind, count in (("drop", 0), ("paste", 2)):
            page.evaluate(GIVE, [kind, letters])
            page.wait_for_selector(DONE)
            page.wait_for_function(
                f"() => document.querySelectorAll('[data-list] button').length === {count}"
            )
        page.set_input_files(FILES, tmp_path / "broken.png")
        page.wait_for_selector(f"{STATUS}.wrong")
        assert "cannot read the picture" in page.inner_text(STATUS)
        assert page.locator("[data-download]").get_attribute("href") is None
        page.click("[name=remove]")
        page.wait_for_selector(DONE)
        assert page.locator("[data-list] button").count() == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(site, photos, scheme):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with browsing(site, **phone, color_scheme=scheme) as page:
        page.wait_for_selector(READY)
        page.set_input_files(FILES, photos[1])
        page.wait_for_selector(DONE)
        for view in ("Pictures", "Live", "Models"):
            page.get_by_role("link", name=view, exact=True).tap()
            settle(page)
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
        paper = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        levels = [int(level) for level in re.findall(r"\d+", paper)]
        assert (max(levels) < 60) == (scheme == "dark")
        assert page.evaluate(NAMELESS) == []


def test_fifty_megapixels_neither_crash_nor_freeze_the_page(site, tmp_path):
    tile = np.tile(data.chelsea()[:256, :256], (24, 32, 1))
    Image.fromarray(tile).save(tmp_path / "large.jpg", quality=85)
    assert tile.shape[0] * tile.shape[1] > 50e6
    with browsing(site) as page:
        page.wait_for_selector(READY)
        page.evaluate(GAP)
        page.select_option("#pictures [name=model]", "nano-x2")
        page.set_input_files(FILES, tmp_path / "large.jpg")
        page.wait_for_selector(DONE)
        settle(page)
        assert page.evaluate("window.gap") < 1000  # ms; other tests run beside this
        page.evaluate("window.gap = 0")
        page.get_by_label("One pixel of the picture for one of the screen").click()
        settle(page)
        assert page.evaluate("window.gap") < 1000
        found = pixels(download(page)[0])
        assert found.shape == tile.shape
        assert (
            np.abs(found[3000:3200, 4000:4200].astype(int) - tile[3000:3200, 4000:4200]).mean() < 20
        )


@pytest.fixture(scope="module")
def service():
    with running_service() as address:
        yield address


@pytest.mark.parametrize("model", ["auto", "nano-x2"])
def test_the_service_gives_the_bytes_of_the_command(service, photos, tmp_path, model):
    _, path = photos
    named = [] if model == "auto" else ["--model", model]
    command = [sys.executable, "-m", "kdsharp", "sharpen", str(path), "-o", "out.png", *named]
    # The service's environment: variables such as OPENBLAS_CORETYPE decide the last digits.
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command, check=True, cwd=tmp_path, env=env)
    with browsing(service) as page:
        page.wait_for_selector(READY)
        page.select_option("#pictures [name=model]", model)
        page.set_input_files(FILES, path)
        page.wait_for_selector(DONE)
        assert "by the service" in page.inner_text(STATUS)
        assert download(page)[0] == (tmp_path / "out.png").read_bytes()


def test_what_the_browser_cannot_show_is_still_sharpened(service, photos, tmp_path):
    Image.open(photos[1]).save(tmp_path / "cat.tif")
    with browsing(service) as page:
        page.wait_for_selector(READY)
        page.set_input_files(FILES, tmp_path / "cat.tif")
        page.wait_for_selector(DONE)
        assert "cannot show it" in page.inner_text(STATUS)
        content, name = download(page)
        assert name == "cat-sharp.tif"
        assert pixels(content).shape == np.asarray(Image.open(photos[1])).shape


def test_a_switch_keeps_the_picture_on_the_device(service, photos):
    with browsing(service) as page:
        page.wait_for_selector(READY)
        asked = []
        page.on("request", lambda request: asked.append((request.method, request.url)))
        page.check("[name=here]")
        page.set_input_files(FILES, photos[1])
        page.wait_for_selector(DONE)
        assert "in this browser" in page.inner_text(STATUS)
        assert all(method == "GET" for method, _ in asked)
