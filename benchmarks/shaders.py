"""How long a user shader takes to start, and each frame, in FFmpeg's libplacebo.

    python -m benchmarks.shaders --models nano-x2 small-x2 --size 1280x720
    python -m benchmarks.shaders --models nano-x2 --size 64x48 --frames 3      # a quick look

It needs an FFmpeg with libplacebo and a Vulkan driver; without a graphics card, Debian's
mesa-vulkan-drivers computes on the CPU. What drivers keep of earlier runs is left aside, so the
start is that of the first film. "start" is one frame with the shader, less one without; "a frame"
is each further one. Beside the time by the clock stands that of all cores, which other programs
disturb less.
"""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from benchmarks.common.command import log, parser_of
from benchmarks.common.machine import cpu, made_by
from kdsharp.errors import UserError
from kdsharp.export.targets import export
from kdsharp.runtime.catalog import find_model
from kdsharp.tables import markdown

__all__ = ["main"]

Times = tuple[float, float]

_NO_CACHE = {"MESA_SHADER_CACHE_DISABLE": "1", "__GL_SHADER_DISK_CACHE": "0"}
_HEAD = ("model", "passes", "KB", "start: s / CPU s", "a frame: ms / CPU ms")


def main() -> None:
    """Print one table: a row for each model."""
    parser = parser_of("shaders", __doc__)
    parser.add_argument("--models", nargs="+", default=["nano-x2", "small-x2"])
    parser.add_argument("--size", default="1280x720", metavar="WxH")
    parser.add_argument("--frames", type=int, default=10)
    chosen = parser.parse_args()
    plain, device = _run(None, chosen.size, 1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in chosen.models:
            shader = Path(folder) / "shader.glsl"
            made = export(find_model(model), "glsl", shader)
            one, _ = _run(shader, chosen.size, 1)
            all_, _ = _run(shader, chosen.size, chosen.frames)
            more = max(chosen.frames - 1, 1)
            sizes = (str(made.passes), f"{made.size / 1000:.0f}")
            rows.append((model, *sizes, _less(one, plain, 1, 1), _less(all_, one, 1000 / more, 0)))
            log("  ".join(rows[-1]))
    print(made_by("shaders"))
    print(f"{cpu()}; {device}; frames of {chosen.size}.\n")
    print(markdown(_HEAD, rows))


def _less(long: Times, short: Times, factor: float, digits: int) -> str:
    return " / ".join(
        f"{factor * (more - less):.{digits}f}" for more, less in zip(long, short, strict=True)
    )


def _run(shader: Path | None, size: str, frames: int) -> tuple[Times, str]:
    """Seconds by the clock and of all cores for so many frames, and the device that it took."""
    custom = f"=custom_shader_path={shader}" if shader else ""
    command = [
        *("ffmpeg", "-hide_banner", "-loglevel", "verbose", "-init_hw_device", "vulkan"),
        *("-f", "lavfi", "-i", f"testsrc=size={size}", "-frames:v", str(frames)),
        *("-vf", f"format=yuv420p,hwupload,libplacebo{custom},hwdownload,format=yuv420p"),
        *("-f", "null", "-"),
    ]
    start, before = time.perf_counter(), os.times()
    try:
        environment = {**os.environ, **_NO_CACHE}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except FileNotFoundError as error:
        raise UserError("ffmpeg is not installed: install one with libplacebo") from error
    after, clock = os.times(), time.perf_counter() - start
    spent = sum(after[2:4]) - sum(before[2:4])  # of the processes that have ended
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"FFmpeg cannot run libplacebo here: {last}")
    found = re.search(r"Device \d+ selected: (.*?) \(", done.stderr)
    return (clock, spent), found[1] if found else "an unnamed device"


if __name__ == "__main__":
    main()
