"""These networks as methods, on each engine in fp32 and int8, as the students are."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks.common.graph import INPUT, OUTPUT
from benchmarks.common.method import Enhance, Method, Pixels, Sample
from benchmarks.front.retrained.forms import FORMS, Form, read_network
from benchmarks.front.retrained.graph import check_parity, network_graph
from benchmarks.front.retrained.ranges import equalised, find_ranges
from kdsharp.imageio.decode import read_rgb
from kdsharp.runtime.card import Tensor
from kdsharp.runtime.engine import ENGINES
from pipeline.data.sample import Sample as SampleData

__all__ = ["retrained_methods"]

_TOLERANCE = 1e-4
_SIDE = 256  # of what is cut from a photo to find the ranges of int8


def retrained_methods(
    folder: Path | None, scale: int, engines: Sequence[str], scratch: Path
) -> tuple[list[Method], list[str]]:
    """Every network for `scale` whose file is in `folder`, and what had to be left out.

    The graphs are written into the folder `scratch`. Raises `UserError` for a bad file.
    """
    forms = {name: form for name, form in FORMS.items() if form.scale == scale}
    if not forms:
        return [], []
    if folder is None:
        return [], [f"{' and '.join(forms)}: no folder with their files was named (`--peers`)."]
    methods: list[Method] = []
    notes: list[str] = []
    for name, form in forms.items():
        if (folder / form.file).is_file():
            methods += _methods(name, form, folder / form.file, engines, scratch)
        else:
            notes.append(f"{name}: {form.file} is not in that folder.")
    return methods, notes


def _methods(
    name: str, form: Form, source: Path, engines: Sequence[str], scratch: Path
) -> list[Method]:
    network = read_network(source, form)
    pictures = _pictures(form.scale)
    even = equalised(network, pictures)
    methods: list[Method] = []
    for precision, model in (
        ("fp32", network_graph(network)),
        ("int8", network_graph(even, find_ranges(even, pictures))),
    ):
        path = scratch / f"{source.stem}_{precision}.onnx"
        path.write_bytes(model.SerializeToString())
        for engine in engines:
            if precision == "fp32":
                check_parity(network, _loaded(path, engine, precision, None), _TOLERANCE)
            methods.append(
                Method(
                    name=name,
                    group="peer",
                    scale=form.scale,
                    engine=engine,
                    precision=precision,
                    load=partial(_enlarge, path, engine, precision),
                    prepare=partial(_prepare, path, engine, precision, form.scale),
                    parameters=network.parameters,
                    macs_per_pixel=network.macs_per_pixel,
                    size=path.stat().st_size,
                )
            )
    return methods


def _pictures(scale: int) -> list[Pixels]:
    """The middles of the sample's training photos, made small."""
    paths = [c.path for c in SampleData().candidates(Path()) if c.split == "train"]
    return [_middle(path, scale) for path in paths]


def _middle(path: Path, scale: int) -> Pixels:
    photo = read_rgb(path)
    width, height = photo.size
    left, top = max(width - _SIDE, 0) // 2, max(height - _SIDE, 0) // 2
    cut = photo.crop((left, top, min(left + _SIDE, width), min(top + _SIDE, height)))
    small = (cut.width // scale, cut.height // scale)
    return np.asarray(cut.resize(small, Image.Resampling.BICUBIC))


def _loaded(
    path: Path, engine: str, precision: str, threads: int | None
) -> Callable[[npt.NDArray[np.generic]], npt.NDArray[np.float32]]:
    """The file itself: (N, 3, h, w) -> (N, 3, H, W), 8 bit in int8."""
    dtype, end = ("uint8", 255.0) if precision == "int8" else ("float32", 1.0)
    source, target = (Tensor(port, 3, dtype=dtype, range=(0.0, end)) for port in (INPUT, OUTPUT))
    infer = ENGINES[engine](path, source, target, threads, 1).infer
    return lambda planes_NCHW: np.asarray(infer(planes_NCHW))


def _enlarge(path: Path, engine: str, precision: str) -> Enhance:
    run = _loaded(path, engine, precision, None)

    def enhance(photo: Sample) -> Pixels:
        levels_NCHW = np.ascontiguousarray(photo.small.transpose(2, 0, 1)[None])
        large_NCHW = run(_as_taken(levels_NCHW, precision))
        if precision == "fp32":
            large_NCHW = np.clip(np.rint(large_NCHW * 255), 0, 255)
        return np.ascontiguousarray(large_NCHW[0].transpose(1, 2, 0), np.uint8)

    return enhance


def _prepare(
    path: Path, engine: str, precision: str, scale: int, threads: int, height: int, width: int
) -> Callable[[], object]:
    """Small planes in, large planes out, in the type that the precision is made for."""
    shape = (1, 3, -(-height // scale), -(-width // scale))
    noise_NCHW = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    run = _loaded(path, engine, precision, threads)
    return partial(run, _as_taken(noise_NCHW, precision))


def _as_taken(
    levels_NCHW: npt.NDArray[np.uint8], precision: str
) -> npt.NDArray[np.uint8] | npt.NDArray[np.float32]:
    return levels_NCHW if precision == "int8" else levels_NCHW.astype(np.float32) / np.float32(255)
