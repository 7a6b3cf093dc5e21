"""What plays and shows what was exported: FFmpeg's libplacebo, mpv and Chromium, all in software.

Each skips the test, and says why, where the machine lacks it.
"""

import contextlib
import functools
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
from PIL import Image

LONG = 180  # seconds: other tests run beside these
CHROMIUM = (
    *("--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"),
    *("--enable-features=Vulkan", "--use-vulkan=swiftshader", "--use-angle=swiftshader"),
    "--ignore-gpu-blocklist",
)


def program(name):
    """The path of a program; skips the test where it is not installed."""
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed")
    return found


def placebo(planes, shader=None, times=1):
    """Planes (3, H, W) of full-range YUV 4:4:4 after libplacebo, with 16 bits; in `uint8` steps."""
    height, width = planes.shape[1:]
    custom = f":custom_shader_path={shader}" if shader else ""
    size = f"w={width * times}:h={height * times}"
    filters = (
        "setparams=range=pc,hwupload",
        f"libplacebo={size}:format=yuv444p16le:dithering=-1{custom}",
        "hwdownload,format=yuv444p16le",
    )
    raw = ["-f", "rawvideo", "-pix_fmt"]
    done = subprocess.run(
        [
            *(program("ffmpeg"), "-loglevel", "error"),
            *("-init_hw_device", "vulkan=gpu", "-filter_hw_device", "gpu"),
            *(*raw, "yuv444p", "-s", f"{width}x{height}", "-i", "-"),
            *("-vf", ",".join(filters), *raw, "yuv444p16le", "-"),
        ],
        input=planes.tobytes(),
        capture_output=True,
        timeout=LONG,
    )
    if done.returncode and not shader:
        pytest.skip(f"FFmpeg has no libplacebo, or no Vulkan: {done.stderr.decode()[-200:]}")
    assert done.returncode == 0, done.stderr.decode()
    levels = np.frombuffer(done.stdout, "<u2").reshape(3, height * times, width * times)
    return levels / 257


@contextlib.contextmanager
def screen():
    """An X server without a screen; yields its display."""
    read, write = os.pipe()
    command = [program("Xvfb"), "-displayfd", str(write), "-screen", "0", "1280x1024x24"]
    with (
        subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL) as server,
        os.fdopen(read) as line,
    ):
        os.close(write)
        try:
            yield f":{line.readline().strip()}"
        finally:
            server.kill()


def mpv(display, folder, film, size, shader):
    """What mpv shows of the first frame of `film` in a window of `size`; RGB (H, W, 3)."""
    window, picture = folder / "socket", folder / "window.png"
    picture.unlink(missing_ok=True)
    window.unlink(missing_ok=True)
    command = [
        *(program("mpv"), "--no-config", "--vo=gpu", "--gpu-context=x11egl", "--gpu-sw"),
        *("--pause", "--keep-open", "--no-border", "--osd-level=0", "--no-osc", "--ao=null"),
        *("--dither-depth=no", f"--geometry={size[0]}x{size[1]}", f"--glsl-shader={shader}"),
        *(f"--input-ipc-server={window}", str(film)),
    ]
    environment = {**os.environ, "DISPLAY": display, "LIBGL_ALWAYS_SOFTWARE": "1"}
    log = folder / "mpv.log"
    with (
        log.open("w") as opened,
        subprocess.Popen(command, env=environment, stdout=opened, stderr=opened) as player,
    ):
        try:
            until(lambda: ask(window, "screenshot-to-file", str(picture), "window"), player, log)
        finally:
            player.kill()
    said = log.read_text()
    assert not re.search(r"\[vo.*shader", said), said  # nothing went wrong in one
    with Image.open(picture) as shown:
        return np.asarray(shown.convert("RGB"))


def ask(path, *command):
    """Whether mpv, which listens at `path`, has done it."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as line:
        line.settimeout(LONG)
        line.connect(str(path))
        line.sendall(json.dumps({"command": command, "request_id": 1}).encode() + b"\n")
        with line.makefile() as answers:
            for answer in map(json.loads, answers):
                if answer.get("request_id") == 1:
                    return answer["error"] == "success"
    return False


def until(done, process, log):
    """Wait until `done()`, while `process` runs."""
    end = time.monotonic() + LONG
    while not done():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)


@contextlib.contextmanager
def page(folder):
    """A page of Chromium whose origin serves `folder`; fails at the end if it met an error."""
    sync_api = pytest.importorskip("playwright.sync_api")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(folder))
    (folder / "index.html").write_text('<!doctype html><link rel="icon" href="data:,">')
    errors = []
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_api.sync_playwright() as play,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = play.chromium.launch(executable_path=program("chromium"), args=list(CHROMIUM))
        try:
            opened = browser.new_page()
            opened.set_default_timeout(LONG * 1000)
            opened.on("pageerror", lambda error: errors.append(str(error)))
            opened.on(
                "console", lambda line: errors.append(line.text) if line.type == "error" else None
            )
            opened.goto(f"http://127.0.0.1:{server.server_port}/")
            yield opened
        finally:
            browser.close()
            server.shutdown()
    assert errors == []
