"""The recipes that come with kdsharp, written as own ones are (`kdsharp.degrade.recipes`)."""

from typing import Any

from kdsharp.degrade.kernels import KERNELS

__all__ = ["ABOUT", "BUILTIN", "ROWS"]

_ANY = list(KERNELS)
_SCREEN = ["bicubic", "bilinear", "lanczos"]


def _small(kernel: str, *stored: dict[str, Any]) -> list[dict[str, Any]]:
    """Shrunk with `kernel`, `stored` small, and enlarged as the field's tables do it."""
    return [{"shrink": {"kernel": kernel}}, *stored, {"enlarge": {"kernel": "bicubic"}}]


def _jpeg(quality: int) -> list[dict[str, Any]]:
    return _small("bicubic", {"jpeg": {"quality": quality, "chroma": "4:2:0"}})


def _call(codec: str, kbps: int) -> list[dict[str, Any]]:
    video = {"codec": codec, "kbps": kbps, "pan": 0.4, "angle": 30}
    return _small("bicubic", {"video": video})


ROWS: dict[str, Any] = {
    "pil-bicubic": _small("bicubic"),
    "area": _small("area"),
    "cubic": _small("cubic"),
    "bilinear": _small("bilinear"),
    "lanczos": _small("lanczos"),
    "jpeg90": _jpeg(90),
    "jpeg60": _jpeg(60),
    "jpeg30": _jpeg(30),
    "webp75": _small("bicubic", {"webp": {"quality": 75}}),
    "noise5": _small("bicubic", {"noise": {"sigma": 5, "seed": 1}}),
    "gaussian": [{"blur": {"sigma": 1.2}}],
    "motion": [{"motion": {"length": 7, "angle": 30}}],
    "videocall-300k": _call("h264", 300),
    "videocall-600k": _call("h264", 600),
    "videocall-1000k": _call("h264", 1000),
    "videocall-vp9-300k": _call("vp9", 300),
    "sharp": [],
}
"""One degradation each, with nothing to draw: the rows of a table."""

BUILTIN: dict[str, Any] = {
    "bicubic": _small("bicubic"),
    "kernels": [{"shrink": {"kernel": _ANY}}, {"enlarge": {"kernel": _SCREEN}}],
    "soft": [
        {"blur": {"sigma": [0.4, 1.6], "chance": 0.5}},
        {"motion": {"length": [2, 9], "chance": 0.25}},
        {"shrink": {"kernel": _ANY, "scale": [1, 4]}},
        {"enlarge": {"kernel": _SCREEN}},
    ],
    "jpeg": _small("bicubic", {"jpeg": {}}),
    "web": [
        {"blur": {"sigma": [0.4, 1], "chance": 0.2}},
        {"shrink": {"kernel": _ANY, "scale": [1, 3]}},
        {"jpeg": {}},
        {"jpeg": {"quality": [60, 95], "chance": 0.3}},
        {"enlarge": {"kernel": _SCREEN}},
    ],
    "webp": [
        {"shrink": {"kernel": _ANY, "scale": [1, 3]}},
        {"webp": {}},
        {"enlarge": {"kernel": _SCREEN}},
    ],
    "phone": [
        {"blur": {"sigma": [0.4, 1.6], "chance": 0.5}},
        {"motion": {"length": [2, 9], "chance": 0.3}},
        {"poisson": {"chance": 0.5}},
        {"noise": {"sigma": [1, 6], "chance": 0.5}},
        {"jpeg": {"quality": [70, 95]}},
        {"shrink": {"kernel": _ANY, "scale": [1, 2]}},
        {"enlarge": {"kernel": _SCREEN}},
    ],
    "videocall": [
        {"noise": {"sigma": [0.5, 3], "chance": 0.5}},
        {"shrink": {"kernel": ["area", "bilinear", "bicubic"], "scale": [1.5, 3]}},
        {"video": {"kbps": [200, 1500]}},
        {"enlarge": {"kernel": ["bilinear", "bicubic"]}},
    ],
    "jpeg-fine": _small("bicubic", {"jpeg": {"quality": [78, 97]}}),
    "jpeg-coarse": _small("bicubic", {"jpeg": {"quality": [25, 78]}}),
    "webp-fine": _small("bicubic", {"webp": {"quality": [70, 97]}}),
    "webp-coarse": _small("bicubic", {"webp": {"quality": [25, 80]}}),
    "compressed": {"jpeg-fine": 3, "webp-fine": 1},
    "blocky": {"jpeg-coarse": 3, "webp-coarse": 1},
    "noisy": _small("bicubic", {"noise": {"sigma": [1, 8]}}),
    "streamed": _small("bicubic", {"video": {"kbps": [250, 1500]}}),
    "defocused": [{"blur": {"sigma": [0.6, 2]}}],
    "shaken": [{"motion": {"length": [3, 10]}}],
    "blurred": {"defocused": 1, "shaken": 1},
    "robust": {
        "bicubic": 2, "kernels": 3, "soft": 2, "web": 2, "jpeg": 3,
        "webp": 1, "phone": 1, "videocall": 3, "sharp": 1,
    },
    "lens-gaussian": [{"blur": {"sigma": [0.4, 1.2]}}],
    "lens-soft": [{"blur": {"sigma": [1, 2.5]}}],
    "lens-disc": [{"disc": {"radius": [0.7, 2.5]}}],
    "lens-moved": [{"motion": {"length": [1.5, 5]}}],
    "lens": {"lens-gaussian": 5, "lens-soft": 4, "lens-disc": 2, "lens-moved": 1},
    "sensor-even": [{"noise": {"sigma": [2, 20]}}],
    "sensor-light": [{"poisson": {"photons": [100, 3000]}}, {"noise": {"sigma": [0, 4]}}],
    "sensor": {"sensor-even": 2, "sensor-light": 1},
    "native-blur": ["lens"],
    "native-noise": ["sensor", {"jpeg": {"quality": [75, 97], "chance": 0.3}}],
    "native-jpeg": [
        {"jpeg": {"quality": [15, 95]}},
        {"jpeg": {"quality": [40, 95], "chance": 0.2}},
    ],
    "native-webp": [{"webp": {"quality": [20, 95]}}],
    "native-soft": ["lens", {"jpeg": {"quality": [60, 97]}}, {"jpeg": {"chance": 0.2}}],
    "native-dim": ["lens", {"noise": {"sigma": [1, 10]}}, {"jpeg": {"chance": 0.3}}],
    "native-call": [{"video": {"kbps": [250, 1500]}}],
    "native": {
        "native-blur": 5, "native-noise": 4, "native-jpeg": 4, "native-webp": 1, "native-soft": 4,
        "native-dim": 1, "native-call": 1, "sharp": 2,
    },
    "enlarged-twice": _small("bicubic", {"jpeg": {"quality": [40, 97], "chance": 0.5}}),
    "enlarged-any": [
        {"shrink": {"kernel": _ANY, "scale": [1.2, 4]}},
        {"jpeg": {"chance": 0.3}},
        {"enlarge": {"kernel": _SCREEN}},
        {"jpeg": {"quality": [70, 97], "chance": 0.2}},
    ],
    "enlarged-half": [
        {"shrink": {"kernel": "bicubic", "scale": 1.5}},
        {"enlarge": {"kernel": "bicubic"}},
    ],
    "enlarged-little": [
        {"shrink": {"kernel": ["bicubic", "area", "lanczos"], "scale": [1.15, 1.8]}},
        {"jpeg": {"quality": [75, 97], "chance": 0.2}},
        {"enlarge": {"kernel": _SCREEN}},
    ],
    "mixture": {"native": 12, "enlarged-twice": 3, "enlarged-half": 1, "enlarged-any": 3},
    "soft-light": {"light-gaussian": 3, "light-disc": 1},
    "light-gaussian": [{"blur": {"sigma": [0.5, 0.85]}}],
    "light-disc": [{"disc": {"radius": [0.8, 1.2]}}],
    "soft-medium": {"medium-gaussian": 3, "medium-disc": 1},
    "medium-gaussian": [{"blur": {"sigma": [0.8, 1.35]}}],
    "medium-disc": [{"disc": {"radius": [1.1, 1.9]}}],
    "soft-grainy": ["lens", {"noise": {"sigma": [1, 8]}}, {"jpeg": {"chance": 0.2}}],
    "soft-camera": [
        {"blur": {"sigma": [0.45, 1.1]}},
        {"noise": {"sigma": [0.5, 3], "chance": 0.7}},
        {"jpeg": {"quality": [75, 97], "chance": 0.8}},
    ],
    "stored-fine": {"fine-jpeg": 4, "fine-webp": 1},
    "fine-jpeg": [{"jpeg": {"quality": [55, 96]}}],
    "fine-webp": [{"webp": {"quality": [60, 95]}}],
    "stored-coarse": {"coarse-jpeg": 4, "coarse-webp": 1},
    "coarse-jpeg": [{"jpeg": {"quality": [12, 58]}}],
    "coarse-webp": [{"webp": {"quality": [15, 60]}}],
    "grain-fine": {"fine-even": 2, "fine-light": 1},
    "fine-even": [{"noise": {"sigma": [2, 9]}}],
    "fine-light": [{"poisson": {"photons": [700, 3000]}}, {"noise": {"sigma": [0, 2]}}],
    "grain-coarse": {"coarse-even": 2, "coarse-light": 1},
    "coarse-even": [{"noise": {"sigma": [8, 22]}}],
    "coarse-light": [{"poisson": {"photons": [80, 700]}}, {"noise": {"sigma": [0, 6]}}],
    **ROWS,
}  # fmt: skip
"""Every recipe by its name."""

ABOUT: dict[str, str] = {
    "bicubic": "Pillow's anti-aliased bicubic (MATLAB's imresize), down and up again",
    "kernels": "any kernel down, any smooth one up again",
    "soft": "blurred, moved, shrunk by 1 to 4 with any kernel",
    "jpeg": "shrunk, JPEG 30 to 95, enlarged",
    "web": "shrunk by 1 to 3, JPEG 30 to 95, often twice",
    "webp": "shrunk by 1 to 3, WebP 30 to 95",
    "phone": "blurred, moved, noisy, JPEG 70 to 95, then shrunk",
    "videocall": "shrunk by 1.5 to 3, H.264 or VP9 at a call's bit rate, enlarged",
    "jpeg-fine": "shrunk, JPEG 78 to 97, enlarged",
    "jpeg-coarse": "shrunk, JPEG 25 to 78, enlarged",
    "webp-fine": "shrunk, WebP 70 to 97, enlarged",
    "webp-coarse": "shrunk, WebP 25 to 80, enlarged",
    "compressed": "shrunk, JPEG 78 to 97 or WebP 70 to 97, enlarged",
    "blocky": "shrunk, JPEG 25 to 78 or WebP 25 to 80, enlarged",
    "noisy": "shrunk, noise of up to 8 levels, enlarged",
    "streamed": "shrunk, H.264 or VP9 at a call's bit rate, enlarged",
    "defocused": "a Gaussian blur, not shrunk",
    "shaken": "moved in a line, not shrunk",
    "blurred": "out of focus or moved, not shrunk",
    "robust": "a mixture of those above that draw values, and of untouched pictures",
    "lens-gaussian": "a Gaussian blur up to 1.2",
    "lens-soft": "a Gaussian blur of 1 to 2.5",
    "lens-disc": "out of focus: the mean over a disc",
    "lens-moved": "moved in a line, slightly",
    "lens": "one of the blurs of a lens, not shrunk",
    "sensor-even": "noise of 2 to 20 levels, not shrunk",
    "sensor-light": "noise of the light and of the sensor, not shrunk",
    "sensor": "one of the noises of a sensor, not shrunk",
    "native-blur": "a blur at full size",
    "native-noise": "noise at full size, at times stored as JPEG",
    "native-jpeg": "JPEG 15 to 95 at full size, at times twice",
    "native-webp": "WebP 20 to 95 at full size",
    "native-soft": "blurred, then JPEG 60 to 97 at full size, at times twice",
    "native-dim": "blurred and noisy at full size, at times JPEG",
    "native-call": "H.264 or VP9 at a call's bit rate, at full size",
    "native": "a mixture of what happens at full size, and of untouched pictures",
    "enlarged-twice": "shrunk by 2, half of them JPEG 40 to 97, enlarged",
    "enlarged-any": "shrunk by 1.2 to 4 with any kernel, at times JPEG, enlarged",
    "enlarged-little": "shrunk by 1.15 to 1.8, at times JPEG 75 to 97, enlarged",
    "mixture": "native and enlarged pictures of every kind, and untouched ones",
    "soft-light": "slightly out of focus: a Gaussian of 0.5 to 0.85, a disc up to 1.2",
    "light-gaussian": "a Gaussian blur of 0.5 to 0.85",
    "light-disc": "a disc of 0.8 to 1.2",
    "soft-medium": "out of focus: a Gaussian of 0.8 to 1.35, a disc up to 1.9",
    "medium-gaussian": "a Gaussian blur of 0.8 to 1.35",
    "medium-disc": "a disc of 1.1 to 1.9",
    "soft-grainy": "blurred, then noise of 1 to 8 levels, at times JPEG",
    "soft-camera": "as a camera stores it: a blur of 0.45 to 1.1, a little noise, JPEG 75 to 97",
    "stored-fine": "JPEG 55 to 96 or WebP 60 to 95 at full size",
    "fine-jpeg": "JPEG 55 to 96 at full size",
    "fine-webp": "WebP 60 to 95 at full size",
    "stored-coarse": "JPEG 12 to 58 or WebP 15 to 60 at full size",
    "coarse-jpeg": "JPEG 12 to 58 at full size",
    "coarse-webp": "WebP 15 to 60 at full size",
    "grain-fine": "noise of 2 to 9 levels, or of much light",
    "fine-even": "noise of 2 to 9 levels",
    "fine-light": "noise of the light: 700 to 3000 photons at white",
    "grain-coarse": "noise of 8 to 22 levels, or of little light",
    "coarse-even": "noise of 8 to 22 levels",
    "coarse-light": "noise of the light: 80 to 700 photons at white",
    "sharp": "nothing is done",
}
"""What recipes do that draw values, or nothing, in a few words; the others' steps say it."""
