"""Live video in a real browser: a camera from a file, whose sharp source is known."""

import base64
import re
import subprocess
import time

import numpy as np
import pytest
from PIL import Image
from skimage import data

from kdsharp.color import luma
from tests.integration.browsing import READY, browsing, running_service
from tests.integration.players import program
from tests.integration.tabs import tabs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

SIZE = (240, 136)
FRAMES = 12
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
NUMBERS = "[data-numbers][data-frames]"
TAKE = """async (count) => {
    const [track] = document.querySelector(".after video").srcObject.getVideoTracks();
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    const taken = [];
    while (taken.length < count) {
        const { value } = await reader.read();
        const canvas = new OffscreenCanvas(value.displayWidth, value.displayHeight);
        const context = canvas.getContext("2d");
        context.drawImage(value, 0, 0);
        value.close();
        const { data, width, height } = context.getImageData(0, 0, canvas.width, canvas.height);
        const gray = data.filter((_, at) => at % 4 === 1);
        taken.push([btoa(gray.reduce((all, byte) => all + String.fromCharCode(byte), "")),
                    width, height]);
    }
    await reader.cancel();
    return taken;
}"""
WITHOUT_TRACKS = "delete MediaStreamTrackProcessor; delete MediaStreamTrackGenerator;"


@pytest.fixture(scope="module")
def filmed(tmp_path_factory):
    """Sharp frames (N, H, W) of luma, soft ones, and a file of the soft ones for the camera."""
    gray = Image.fromarray(np.rint(luma(data.chelsea())).astype(np.uint8))
    whole = [gray.crop((40 + 6 * n, 60, 40 + 6 * n + SIZE[0], 60 + SIZE[1])) for n in range(FRAMES)]
    half = (SIZE[0] // 2, SIZE[1] // 2)
    cubic = Image.Resampling.BICUBIC
    soft = [frame.resize(half, cubic).resize(SIZE, cubic) for frame in whole]
    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{SIZE[0]} H{SIZE[1]} F25:1 Ip A1:1 C420jpeg\n".encode())
        for frame in soft:
            studio = np.rint(16 + np.asarray(frame) * (219 / 255)).astype(np.uint8)
            file.write(b"FRAME\n" + studio.tobytes() + bytes([128]) * (2 * half[0] * half[1]))
    return np.stack(whole), np.stack(soft), path


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2))


@pytest.mark.parametrize("backend", ["wasm", "webgl2", "webgpu"])
def test_frames_change_and_are_sharper(site, filmed, backend):
    truth, soft, path = filmed
    with browsing(f"{site}#live", *CAMERA, f"--use-file-for-fake-video-capture={path}") as page:
        page.wait_for_selector(READY)
        page.uncheck("#live [name=adapt]")
        page.select_option("#live [name=backend]", backend)
        page.click("[name=camera]")
        page.wait_for_selector(NUMBERS)
        assert page.locator(NUMBERS).get_attribute("data-backend") == backend
        shown = page.inner_text(NUMBERS)
        assert f"{SIZE[0]} × {SIZE[1]}" in shown and "nano-x2" in shown
        assert ("in software" in shown) == (backend != "wasm")
        taken = page.evaluate(TAKE, 4)
        page.click("[name=stop]")
        page.wait_for_selector(".stage:not(.running)")
    seen = set()
    for letters, width, height in taken:
        assert (width, height) == SIZE
        found = np.frombuffer(base64.b64decode(letters), np.uint8).reshape(height, width)
        number = int(np.argmax([psnr(found, frame) for frame in truth]))
        gain = psnr(found, truth[number]) - psnr(soft[number], truth[number])
        assert gain > 0.5
        seen.add(number)
    assert len(seen) > 1


def test_what_runs_is_what_is_shown(site, filmed):
    """A graphics card that is the CPU loses against WASM, and the page says so."""
    with browsing(
        f"{site}#live", *CAMERA, f"--use-file-for-fake-video-capture={filmed[2]}"
    ) as page:
        page.wait_for_selector(READY)
        page.click("[name=camera]")
        page.wait_for_selector(NUMBERS)
        assert page.locator(NUMBERS).get_attribute("data-backend") == "wasm"
        said = page.inner_text("#live [role=status]")
        assert "WebGPU: SwiftShader is no graphics card" in said


def test_the_service_lets_wasm_have_threads(filmed):
    """Its headers isolate the page, and its policy allows what the runtime needs."""
    camera = f"--use-file-for-fake-video-capture={filmed[2]}"
    with running_service() as address, browsing(f"{address}#live", *CAMERA, camera) as page:
        page.wait_for_selector(READY)
        page.click("[name=camera]")
        page.wait_for_selector(NUMBERS)
        assert re.search(r"WASM \(CPU, \d+ threads\)", page.inner_text(NUMBERS))


def test_quality_steps_down_to_keep_up(site, filmed):
    with browsing(
        f"{site}#live", *CAMERA, f"--use-file-for-fake-video-capture={filmed[2]}"
    ) as page:
        page.wait_for_selector(READY)
        page.select_option("#live [name=model]", "small-x2")
        page.select_option("#live [name=backend]", "webgl2")  # far too slow for that here
        page.click("[name=camera]")
        page.wait_for_function(f"() => /nano/.test(document.querySelector('{NUMBERS}')?.innerText)")
        assert "stepped down" in page.inner_text("#live [role=status]")


@pytest.mark.parametrize("prepared", ["", WITHOUT_TRACKS], ids=["tracks", "timer"])
def test_a_hidden_page_goes_on(site, filmed, prepared):
    frames = "Number(document.querySelector('[data-numbers]').dataset.frames ?? 0)"
    with tabs(*CAMERA, f"--use-file-for-fake-video-capture={filmed[2]}") as browser:
        tab = browser.open("about:blank")
        browser.ask("Page.enable", tab)
        browser.ask("Page.addScriptToEvaluateOnNewDocument", tab, source=prepared)
        browser.ask("Page.navigate", tab, url=f"{site}#live")
        wait(lambda: browser.evaluate(tab, f"!!document.querySelector('{READY}')"))
        browser.evaluate(tab, "document.querySelector('[name=camera]').click()")
        wait(lambda: browser.evaluate(tab, frames) > 0)
        shown = browser.evaluate(tab, "document.querySelector('.after').firstChild.tagName")
        assert shown == ("CANVAS" if prepared else "VIDEO")
        browser.open("about:blank")
        wait(lambda: browser.evaluate(tab, "document.hidden"))
        before = browser.evaluate(tab, frames)
        if not prepared:  # what a call would send
            taken = browser.evaluate(tab, f"({TAKE})(20)")
            assert len({letters for letters, *_ in taken}) > 3
        wait(lambda: browser.evaluate(tab, frames) > before + 20)
        assert browser.evaluate(tab, "document.hidden")
        assert [event for event in browser.events if "exception" in event["method"]] == []


CALL = """async () => {
    const { sharpenTrack } = await import("./assets/track.js");
    const file = (name) => new URL(`models/nano-x2/${name}`, location.href).href;
    const [webgl2, wgsl, onnx] = ["webgl2.js", "wgsl.js", "student.onnx"].map(file);
    const addresses = { webgl2, wgsl, onnx };
    const stream = await navigator.mediaDevices.getUserMedia({ video: true });
    const levels = [{ name: "nano-x2", addresses, channels: 1, half: false }];
    const sharp = await sharpenTrack(stream.getVideoTracks()[0], { levels });
    const [here, there] = [new RTCPeerConnection(), new RTCPeerConnection()];
    here.onicecandidate = ({ candidate }) => candidate && there.addIceCandidate(candidate);
    there.onicecandidate = ({ candidate }) => candidate && here.addIceCandidate(candidate);
    const seen = new Promise((done) => (there.ontrack = ({ track }) => done(track)));
    here.addTrack(sharp.track);
    await here.setLocalDescription();
    await there.setRemoteDescription(here.localDescription);
    await there.setLocalDescription();
    await here.setRemoteDescription(there.localDescription);
    const reader = new MediaStreamTrackProcessor({ track: await seen }).readable.getReader();
    let frames = 0;
    for (; frames < 10; frames++) (await reader.read()).value.close();
    sharp.stop();
    return frames;
}"""


def test_a_call_gets_the_sharpened_track(site, filmed):
    with browsing(site, *CAMERA, f"--use-file-for-fake-video-capture={filmed[2]}") as page:
        page.wait_for_selector(READY)
        assert page.evaluate(CALL) == 10


def wait(done):
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize("suffix", ["webm", "mp4"])
def test_a_film_is_converted_with_its_sound(site, filmed, tmp_path, suffix):
    av = pytest.importorskip("av")
    truth, _, camera = filmed
    codecs = {"webm": ("libvpx-vp9", "libopus"), "mp4": ("libx264", "aac")}[suffix]
    film = tmp_path / f"film.{suffix}"
    command = [program("ffmpeg"), "-loglevel", "error", "-i", str(camera)]
    command += ["-f", "lavfi", "-i", f"sine=440:duration={FRAMES / 25}", "-b:v", "8M"]
    command += ["-pix_fmt", "yuv420p", "-c:v", codecs[0], "-c:a", codecs[1], str(film)]
    subprocess.run(command, check=True)
    with browsing(f"{site}#live") as page:
        page.wait_for_selector(READY)
        page.set_input_files("[name=film]", film)
        page.click("[name=convert]")
        page.wait_for_selector("[data-film]:not([hidden]), #live [role=status].wrong")
        said = page.inner_text("#live [role=status]")
        if suffix == "mp4" and "cannot convert" in said:
            pytest.skip(f"this Chromium has no encoder for it: {said}")
        with page.expect_download() as held:
            page.click("[data-film]")
        assert held.value.suggested_filename == f"film-sharp.{suffix}"
        made = held.value.path().rename(tmp_path / f"made.{suffix}")

    def sound(path):
        with av.open(str(path)) as opened:
            return [bytes(packet) for packet in opened.demux(audio=0) if packet.size]

    def pictures(path):
        with av.open(str(path)) as opened:
            return [frame.to_ndarray(format="gray") for frame in opened.decode(video=0)]

    assert sound(made) == sound(film)
    before, after = pictures(film), pictures(made)
    assert len(before) == len(after) == FRAMES
    gains = [psnr(b, t) - psnr(a, t) for a, b, t in zip(before, after, truth, strict=True)]
    # Of so short a film the encoder for H.264 that is here takes half to find its rate.
    assert np.mean(gains[FRAMES // 2 :] if suffix == "mp4" else gains) > 0.2
