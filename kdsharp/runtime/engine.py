"""Load an exported model and run it on planes."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kdsharp.errors import UserError
from kdsharp.runtime import onnxruntime, openvino
from kdsharp.runtime.card import Card, Code, Int8, Tensor, Upscaler, check_file, read_card
from kdsharp.runtime.hardware import Fill, Infer, Loaded, best_engine, best_precision
from kdsharp.runtime.mixture import Mixing, load_code_book, load_mixing
from kdsharp.runtime.windows import Shares

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "Pixels",
    "Planes",
    "load_engine",
    "load_upscaler",
]

Planes = npt.NDArray[np.float32]
"""(N, C, H, W), values 0..1; C is 1 (luma) or 3 (RGB)."""

Pixels = npt.NDArray[np.uint8]
"""The same in 8 bit, values 0..255."""

PRECISIONS = ("fp32", "int8")
"""What a model may compute in; int8 where it has a file for it."""

_Loaded = TypeVar("_Loaded")
_INSTALL = {
    "openvino": 'pip install "kdsharp[openvino]"',
    "onnxruntime": "pip install onnxruntime",
}


@dataclass(frozen=True)
class Engine:
    """A loaded model; `run` and `run8` may be called from several threads at once.

    `infer` is the file itself: `Planes` to `Planes`, with int8 `Pixels` to `Pixels`. `streams` is
    how many calls run at the same time; more of them wait for each other. `device` is where it
    runs, such as `CPU` or `CUDA`. `folder` is the model's and None for a network that has none;
    `threads` None leaves the number to the engine. With `mixing` the kernels follow from what it
    gets, unless it is `mixed`.
    """

    name: str
    card: Card
    infer: Callable[[Any], Any]
    precision: str = "fp32"
    streams: int = 1
    device: str = "CPU"
    folder: Path | None = None
    threads: int | None = None
    mixing: Mixing | None = None

    def mixed(self, shares: Shares) -> "Engine":
        """The same with the one mixture that these `shares` make: for parts of one picture."""
        if self.mixing is None:
            return self
        return dataclasses.replace(self, infer=self.mixing.fold(shares), mixing=None)

    def alone(self) -> "Engine":
        """The same with one mixture for all pictures, the even one: to time the network alone."""
        mixture = self.card.mixture
        return self.mixed((1 / mixture.sets,) * mixture.sets) if mixture else self

    def run(self, planes_NCHW: Planes) -> Planes:
        """The sharpened planes, same shape, not clipped to 0..1.

        N, H and W are any size from 1; C is the card's. With int8 the model sees the planes rounded
        to 8 bit, and what it changes there is added to `planes_NCHW`, so a 16-bit picture keeps
        its depth. Raises `ValueError` for other shapes.
        """
        self._require_planes(planes_NCHW.shape)
        if self.precision == "int8":
            levels_NCHW = _rounded(planes_NCHW)
            change_NCHW = np.subtract(self.infer(levels_NCHW), levels_NCHW, dtype=np.float32)
            return np.asarray(planes_NCHW + change_NCHW / np.float32(255), np.float32)
        return np.asarray(self.infer(np.ascontiguousarray(planes_NCHW, np.float32)))

    def run8(self, planes_NCHW: Pixels) -> Pixels:
        """The same in 8 bit, rounded and clipped; with int8 nothing is converted on the way."""
        self._require_planes(planes_NCHW.shape)
        if self.precision == "int8":
            return np.asarray(self.infer(np.ascontiguousarray(planes_NCHW, np.uint8)))
        return _rounded(self.run(planes_NCHW.astype(np.float32) / np.float32(255)))

    def _require_planes(self, shape: tuple[int, ...]) -> None:
        channels = self.card.input.channels
        if len(shape) != 4 or shape[1] != channels or 0 in shape:
            raise ValueError(f"need planes (N, {channels}, H, W), not {shape}")


def load_engine(
    folder: Path,
    engine: str = "auto",
    threads: int | None = None,
    precision: str = "fp32",
    streams: int = 1,
) -> Engine:
    """The model in `folder` on `engine`: `openvino`, `onnxruntime` or `auto`.

    `auto` takes OpenVINO where it is installed; ONNX Runtime takes an accelerator where it can.
    `threads` None leaves the number to the engine. `precision` is one of `PRECISIONS`, or `auto`:
    int8 where it pays (`best_precision`). `streams` shares the threads among
    so many calls at the same time: many pictures are done sooner, and a single one later. Raises
    `UserError` for an unknown or missing engine, for an unknown precision or one that the model
    lacks, and for a folder or file that is not a model.
    """
    if precision not in ("auto", *PRECISIONS):
        raise UserError(
            f"precision {precision!r} is unknown: choose auto, {' or '.join(PRECISIONS)}"
        )
    if engine not in ("auto", *ENGINES):
        raise UserError(f"engine {engine!r} is unknown: choose auto, {' or '.join(ENGINES)}")
    if threads is not None and threads < 1:
        raise UserError(f"threads must be 1 or more, not {threads}")
    card = read_card(folder)
    engine = best_engine() if engine == "auto" else engine
    precision = best_precision(card, engine) if precision == "auto" else precision
    part = card.int8 if precision == "int8" else card
    if part is None:
        raise UserError(
            f"{folder}: has no int8 model: choose precision fp32, or export it with export.int8"
        )
    mixing = None
    if card.mixture:
        load_mixture = _load_code_book if isinstance(part, Int8) else _load_mixing
        mixing = load_mixture(Path(folder), card, part, engine, threads, streams)
        loaded = Loaded(mixing.whole)
    else:
        loaded = _load(Path(folder), part, engine, threads, streams)
    device = loaded.device
    return Engine(
        engine, card, loaded.infer, precision, streams, device, Path(folder), threads, mixing
    )


def load_upscaler(engine: Engine) -> Infer | None:
    """The file beside that of `engine` that enlarges and sharpens in one step, run alike.

    `Planes` of a small picture to `Planes` that are the card's `scale` times as large, whatever the
    precision; None where the model has no such file. Raises `UserError` for a file that is not one.
    """
    card = engine.card
    part = card.upscaler_int8 if engine.precision == "int8" else card.upscaler
    if part is None or engine.folder is None:
        return None
    found = _load(engine.folder, part, engine.name, engine.threads, engine.streams, card.scale)
    return found.infer


def _load(
    folder: Path,
    part: Card | Int8 | Upscaler,
    engine: str,
    threads: int | None,
    streams: int,
    times: int = 1,
) -> Loaded:
    """The file of `part`, tried out: it has to make planes `times` as large."""
    path = folder / part.file

    def load() -> Loaded:
        return ENGINES[engine](path, part.input, part.output, threads, streams)

    return _tried(load, lambda loaded: loaded.infer, path, part, engine, times)


def _load_mixing(
    folder: Path,
    card: Card,
    part: Card | Int8,
    engine: str,
    threads: int | None,
    streams: int,
) -> Mixing:
    """The mixing of the model of `card`, tried out."""
    mixture = card.mixture
    assert mixture is not None
    path = folder / part.file

    def load() -> Mixing:
        fill = FILLABLE[engine](path, part.input, part.output, threads, streams)
        return load_mixing(folder, mixture, fill)

    return _tried(load, lambda mixing: mixing.whole, path, part, engine, 1)


def _load_code_book(
    folder: Path,
    card: Card,
    part: Card | Int8,
    engine: str,
    threads: int | None,
    streams: int,
) -> Mixing:
    """The same in whole numbers; the first code, which most pictures get, is tried out at once."""
    mixture = card.mixture
    assert mixture is not None and isinstance(part, Int8)

    def load(code: Code) -> Infer:
        # The folder may hold another model by now: this may be long after its card was read.
        check_file(folder / code.file, code.sha256)
        made = dataclasses.replace(part, file=code.file, sha256=code.sha256)
        return _load(folder, made, engine, threads, streams).infer

    def book() -> Mixing:
        mixing = load_code_book(folder, mixture, load)
        mixing.look(np.zeros((3, 5), np.uint8))
        return mixing

    path, shares = folder / mixture.mixer.file, mixture.codes[0].shares
    return _tried(book, lambda mixing: mixing.fold(shares), path, part, engine, 1)


def _tried(
    load: Callable[[], _Loaded],
    runs: Callable[[_Loaded], Infer],
    path: Path,
    part: Card | Int8 | Upscaler,
    engine: str,
    times: int,
) -> _Loaded:
    """What `load` gives, if it makes planes `times` as large."""
    source = part.input
    try:
        loaded = load()
        # 3x5: odd on both sides, so that the padding inside the graph is tried as well.
        probe = np.asarray(runs(loaded)(np.zeros((1, source.channels, 3, 5), source.dtype)))
    except UserError:  # of a file within
        raise
    except ImportError as error:
        raise UserError(f"engine {engine} is not installed: {_INSTALL[engine]}") from error
    except Exception as error:  # each engine has its own family of errors
        raise UserError(f"{path}: cannot be run by {engine}: {_first_line(error)}") from error
    if probe.shape != (1, part.output.channels, 3 * times, 5 * times):
        wanted = "keeps the size" if times == 1 else f"enlarges {times} times"
        raise UserError(f"{path}: not a model that {wanted}: 3x5 became {probe.shape}")
    if probe.dtype != part.output.dtype:
        raise UserError(f"{path}: returns {probe.dtype}, not {part.output.dtype}")
    return loaded


def _rounded(planes_NCHW: Planes) -> Pixels:
    return np.asarray(np.rint(np.clip(planes_NCHW, 0, 1) * 255), np.uint8)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]


ENGINES: Mapping[str, Callable[[Path, Tensor, Tensor, int | None, int], Loaded]] = {
    "openvino": openvino.load,
    "onnxruntime": onnxruntime.load,
}
"""Every engine by its name: (file, input, output, threads, streams) -> the file, ready to run."""

FILLABLE: Mapping[str, Callable[[Path, Tensor, Tensor, int | None, int], Fill]] = {
    "openvino": openvino.fillable,
    "onnxruntime": onnxruntime.fillable,
}
"""The same for a file whose kernels follow from the picture."""
