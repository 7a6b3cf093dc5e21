"""Model folders as methods: the students that ship, and SRCNN to set them beside."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.common.method import Enhance, Group, Method, Pixels, Sample
from benchmarks.front.chain import Layer, chain, macs_per_pixel, parameters
from kdsharp.files import sha256_file
from kdsharp.runtime.card import CARD, FORMAT, Card, Int8, Tensor, read_card, write_card
from kdsharp.runtime.catalog import PLAIN, SHIPPED
from kdsharp.runtime.engine import load_engine
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["SRCNN", "chain_folder", "network_methods", "students"]

SRCNN = "SRCNN 9-5-5"

_FILES = {"fp32": "chain.onnx", "int8": "chain_int8.onnx"}


def students(extra: Sequence[Path], weights: Path = SHIPPED) -> list[tuple[str, Path, Card]]:
    """Name, folder and card of every student: those that ship for plain enlarging, and `extra`.

    By scale and then by computation. The input here is plain, so what ships for other input would
    only look worse than it is. Raises `UserError` for a folder that is not a model.
    """
    shipped = [path.parent for path in sorted(weights.glob(f"*/{CARD}"))]
    plain = [folder for folder in shipped if read_card(folder, files=False).degradation == PLAIN]
    found = [(folder.resolve().name, folder, read_card(folder)) for folder in (*plain, *extra)]
    return sorted(found, key=lambda student: (student[2].scale, student[2].macs_per_pixel))


def network_methods(
    name: str, folder: Path, group: Group, engines: Sequence[str], *, scored: bool = False
) -> tuple[list[Method], list[str]]:
    """The network in `folder` on each engine in each precision, and what had to be left out.

    Quality is measured only if `scored`: random weights have none.
    """
    card = read_card(folder)
    int8 = card.int8
    notes = [] if int8 else [f"{name}: has no int8 file, so its int8 rows are left out."]
    files = {"fp32": card.file} | ({"int8": int8.file} if int8 else {})
    methods = [
        Method(
            name=name,
            group=group,
            scale=card.scale,
            engine=engine,
            precision=precision,
            load=partial(_sharpen, folder, engine, precision) if scored else None,
            prepare=partial(_prepare, folder, engine, precision),
            parameters=card.parameters,
            macs_per_pixel=card.macs_per_pixel,
            size=(folder / file).stat().st_size,
        )
        for engine in engines
        for precision, file in files.items()
    ]
    return methods, notes


@contextmanager
def chain_folder(name: str, layers: Sequence[Layer]) -> Iterator[Path]:
    """A model folder of convolutions with random weights, which is gone afterwards."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for precision, file in _FILES.items():
            model = chain(layers, int8=precision == "int8")
            (folder / file).write_bytes(model.SerializeToString())
        write_card(folder, _card(name, layers, folder))
        yield folder


def _card(name: str, layers: Sequence[Layer], folder: Path) -> Card:
    return Card(
        format=FORMAT,
        name=name,
        file=_FILES["fp32"],
        sha256=sha256_file(folder / _FILES["fp32"]),
        degradation="bicubic",
        scale=2,
        color="luma",
        matrix="bt601-full",
        input=Tensor("input", 1),
        output=Tensor("output", 1),
        receptive_radius=sum(kernel // 2 for *_, kernel in layers),
        grid=1,
        parameters=parameters(layers),
        macs_per_pixel=macs_per_pixel(layers),
        lineage={},
        metrics={},
        int8=Int8(
            file=_FILES["int8"],
            sha256=sha256_file(folder / _FILES["int8"]),
            input=Tensor("input", 1, dtype="uint8", range=(0.0, 255.0)),
            output=Tensor("output", 1, dtype="uint8", range=(0.0, 255.0)),
            loss_db=0.0,
        ),
    )


def _sharpen(folder: Path, engine: str, precision: str) -> Enhance:
    sharpen = Sharpener(engine=load_engine(folder, engine, precision=precision)).array

    def enhance(photo: Sample) -> Pixels:
        return sharpen(photo.low)

    return enhance


def _prepare(
    folder: Path, engine: str, precision: str, threads: int, height: int, width: int
) -> Callable[[], object]:
    """Planes in, planes out, in the type that the precision is made for."""
    loaded = load_engine(folder, engine, threads, precision=precision)
    shape = (1, loaded.card.input.channels, height, width)
    noise_NCHW = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    if precision == "int8":
        return partial(loaded.run8, noise_NCHW)
    return partial(loaded.run, noise_NCHW.astype(np.float32) / np.float32(255))
