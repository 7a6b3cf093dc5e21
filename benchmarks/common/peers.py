"""Peers that run here: Pillow's filters, and FSRCNN and ESPCN from the files of OpenCV's users.

Those two take the small picture and enlarge it. OpenCV's own module runs them
(`cv2.dnn_superres`), and OpenVINO does too, which reads the same files and is faster.
"""

import importlib
import importlib.util
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from benchmarks.common.method import Enhance, Load, Method, Pixels, Prepare, Sample
from kdsharp.color import luma
from kdsharp.runtime.openvino import import_openvino

__all__ = ["BICUBIC", "PEER_NETS", "UNSHARP", "has_superres", "peer_methods", "pillow_methods"]

BICUBIC, UNSHARP = "bicubic (doing nothing)", "unsharp mask"
PEER_NETS = ("FSRCNN", "ESPCN")
_INSTALL = 'pip install "opencv-contrib-python-headless<5"'


def pillow_methods(scale: int, radius: float, percent: int) -> list[Method]:
    """Doing nothing, which takes the time of enlarging by Pillow, and an unsharp mask after it."""
    mask = ImageFilter.UnsharpMask(radius, percent, threshold=0)

    def sharpened(photo: Sample) -> Pixels:
        return np.asarray(Image.fromarray(photo.low).filter(mask))

    def enlarge(_: int, height: int, width: int) -> Callable[[], object]:
        small = Image.fromarray(_plane(height, width, scale))
        return partial(small.resize, (width, height), Image.Resampling.BICUBIC)

    def filtered(_: int, height: int, width: int) -> Callable[[], object]:
        return partial(Image.fromarray(_plane(height, width, 1)).filter, mask)

    about: dict[str, Any] = {
        "group": "peer",
        "scale": scale,
        "engine": "Pillow",
        "precision": "8 bit",
        "single": True,
    }
    return [
        Method(name=BICUBIC, load=lambda: lambda photo: photo.low, prepare=enlarge, **about),
        Method(name=UNSHARP, load=lambda: sharpened, prepare=filtered, **about),
    ]


def peer_methods(folder: Path | None, scale: int) -> tuple[list[Method], list[str]]:
    """FSRCNN and ESPCN from `folder` in what is installed, and what had to be left out."""
    if folder is None:
        return [], ["FSRCNN and ESPCN: no folder with their files was named (`--peers`)."]
    files = [(net, folder / f"{net}_x{scale}.pb") for net in PEER_NETS]
    notes = [f"{path.name}: is not in that folder." for _, path in files if not path.is_file()]
    files = [(net, path) for net, path in files if path.is_file()]
    methods: list[Method] = []
    if not has_superres():
        notes.append(f"FSRCNN and ESPCN in OpenCV: `cv2.dnn_superres` is missing: `{_INSTALL}`.")
    else:
        methods += [_opencv(net, path, scale) for net, path in files]
    if not importlib.util.find_spec("openvino"):
        notes.append("FSRCNN and ESPCN in OpenVINO: it is not installed.")
    else:
        methods += [_openvino(net, path, scale) for net, path in files]
    return methods, notes


def has_superres() -> bool:
    """Whether this OpenCV has the module for super-resolution, which is among its extra ones."""
    return bool(importlib.util.find_spec("cv2")) and hasattr(_cv2(), "dnn_superres")


def _cv2() -> Any:
    """OpenCV, which is not a dependency and so unknown to a type checker."""
    return importlib.import_module("cv2")


def _plane(height: int, width: int, scale: int) -> npt.NDArray[np.uint8]:
    """Noise of the size of the input; where `scale` does not divide, the output is larger."""
    shape = (-(-height // scale), -(-width // scale))
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def _opencv(net: str, path: Path, scale: int) -> Method:
    cv2 = _cv2()

    def read() -> Any:
        model = cv2.dnn_superres.DnnSuperResImpl_create()
        model.readModel(str(path))
        model.setModel(net.lower(), scale)
        return model

    def load() -> Enhance:
        model = read()
        # It wants blue first.
        return lambda photo: np.asarray(model.upsample(photo.small[..., ::-1])[..., ::-1])

    def prepare(threads: int, height: int, width: int) -> Callable[[], object]:
        model, plane = read(), _plane(height, width, scale)

        def call() -> object:
            cv2.setNumThreads(threads)  # of the process, so for each call
            return model.upsample(plane)

        return call

    return _network(net, path, scale, "OpenCV", load, prepare)


def _openvino(net: str, path: Path, scale: int) -> Method:
    def load() -> Enhance:
        run = _compiled(path, None)

        def enhance(photo: Sample) -> Pixels:
            y_NHWC = luma(photo.small)[None, ..., None] / np.float32(255)
            # The luma of the enlarged picture is replaced, its chroma stays.
            change = run(y_NHWC)[0, 0] * np.float32(255) - luma(photo.low)
            sharp = photo.low + change[..., None]
            return np.asarray(np.clip(np.rint(sharp), 0, 255), dtype=np.uint8)

        return enhance

    def prepare(threads: int, height: int, width: int) -> Callable[[], object]:
        y_NHWC = _plane(height, width, scale)[None, ..., None].astype(np.float32) / np.float32(255)
        return partial(_compiled(path, threads), y_NHWC)

    return _network(net, path, scale, "openvino", load, prepare)


def _compiled(
    path: Path, threads: int | None
) -> Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]:
    openvino = import_openvino()
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    model = openvino.Core().compile_model(str(path), "CPU", options)
    return lambda planes: np.asarray(model.create_infer_request().infer({0: planes})[0])


def _network(net: str, path: Path, scale: int, engine: str, load: Load, prepare: Prepare) -> Method:
    parameters, macs = _count(path)
    return Method(
        name=f"{net} (OpenCV's file)",
        group="peer",
        scale=scale,
        engine=engine,
        precision="fp32",
        load=load,
        prepare=prepare,
        parameters=parameters,
        macs_per_pixel=macs and macs / scale**2,
        size=path.stat().st_size,
    )


def _count(path: Path) -> tuple[int | None, int | None]:
    """Weights and biases of the graph, and multiplications for a pixel of its small input."""
    if not importlib.util.find_spec("openvino"):
        return None, None
    nodes = import_openvino().Core().read_model(str(path)).get_ops()
    constants = [op for op in nodes if op.get_type_name() == "Constant"]
    sizes = [math.prod(op.shape) for op in constants if op.get_element_type().is_real()]
    convs = [op for op in nodes if op.get_type_name() == "Convolution"]
    macs = sum(math.prod(conv.input_value(1).get_shape()) for conv in convs)
    return sum(size for size in sizes if size > 1), macs  # single values are slopes and factors
