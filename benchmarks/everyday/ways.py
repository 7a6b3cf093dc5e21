"""Ways to bring back detail: what is installed, models by name, and the cheap rivals."""

import importlib
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from benchmarks.common.method import Pixels
from kdsharp.routing.router import Router
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["INSTALLED", "RIVALS", "Way", "each_model", "load_ways", "mixing_speed"]

Way = Callable[[Pixels], Pixels]
"""RGB (H, W, 3) to the same."""

INSTALLED = "installed"
"""`kdsharp sharpen` as it is: the model that the picture gets, or none."""

_LARGE, _TIMES = (3000, 4000, 3), 7  # 12 megapixels; looks that are timed
_NLM = 5.0  # strength of OpenCV's denoiser, about the sigma that it is for


def load_ways(precision: str, named: Sequence[str]) -> tuple[dict[str, Way], Router]:
    """`INSTALLED`, each of `RIVALS` that is there and the models `named`; and its router."""
    installed = Sharpener(threads=1, precision=precision)
    ways: dict[str, Way] = {INSTALLED: installed.array}
    for name in named:
        ways[name] = Sharpener(name, threads=1, precision=precision).array
    ways |= {name: way for name, way in RIVALS.items() if name != _DENOISER or _cv2()}
    return ways, installed.router


def each_model(router: Router, low: Pixels) -> list[Pixels]:
    """What each model makes of a picture among which the choice is."""
    looked = router.look(low)
    made = []
    for name in router.cards:
        chosen = router.choice_of(name, looked)
        out = low.copy()
        router.fitted(chosen).array(low, out)
        made.append(out)
    return made


def mixing_speed(model: str) -> str:
    """What a photo costs before its first pixel is sharpened by a model with a mixture; else ""."""
    engine = Sharpener(model, threads=1, precision="fp32").engine
    mixing, mixture = engine.mixing, engine.card.mixture
    if mixing is None or mixture is None:
        return ""
    picture = np.random.default_rng(1).integers(0, 256, _LARGE, np.uint8)
    even = (1 / mixture.sets,) * (mixture.sets - 1)
    look = [_seconds(lambda: mixing.look(picture)) for _ in range(_TIMES)]
    fold = [_seconds(partial(mixing.fold, (*even, n / _TIMES))) for n in range(_TIMES)]
    return (
        f"{model}: a look at 12 megapixels takes {np.median(look) * 1000:.1f} ms of one core, and "
        f"mixing kernels for {engine.name} {np.median(fold) * 1000:.1f} ms."
    )


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _unsharp(radius: float, percent: int) -> Way:
    mask = ImageFilter.UnsharpMask(radius, percent, threshold=0)
    return lambda low: np.asarray(Image.fromarray(low).filter(mask))


def _cas(low: Pixels) -> Pixels:
    """FFmpeg's contrast adaptive sharpening, at half of its strength."""
    import av
    import av.filter

    graph = av.filter.Graph()
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(low), format="rgb24")
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width,
            height=frame.height,
            format=frame.format,
            time_base=Fraction(1, 25),
        ),
        graph.add("cas", "0.5"),
        graph.add("buffersink"),
    ).configure()
    graph.push(frame)
    pulled = graph.pull()
    assert isinstance(pulled, av.VideoFrame)
    return np.asarray(pulled.to_ndarray(format="rgb24"), np.uint8)


def _cv2() -> Any:
    return importlib.import_module("cv2") if importlib.util.find_spec("cv2") else None


def _denoised(low: Pixels) -> Pixels:
    return np.asarray(_cv2().fastNlMeansDenoisingColored(low, None, _NLM, _NLM, 5, 15))


_DENOISER = "OpenCV's denoiser"

RIVALS: Mapping[str, Way] = {
    "unsharp 1, 80 %": _unsharp(1, 80),
    "unsharp 2, 50 %": _unsharp(2, 50),
    "cas": _cas,
    _DENOISER: _denoised,
}
"""By their names in the table; Pillow's radius and percent."""
