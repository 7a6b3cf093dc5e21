"""What is compared: doing nothing, a filter, our students, their choice, the teacher, peers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.common.method import Enhance, Method, Pixels, Sample
from benchmarks.common.peers import peer_methods, pillow_methods
from kdsharp.routing.router import Router
from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["AUTO", "INPUT", "TEACHER", "UNSHARP", "Column", "Group", "Plan", "load_columns"]

INPUT, UNSHARP, AUTO, TEACHER = "input", "unsharp mask", "auto", "teacher"

Group = Literal["input", "ours", "teacher", "peer", "cited"]


@dataclass(frozen=True)
class Plan:
    """What to load, in a form that goes to other processes.

    `models` are names and folders, `auto` the folders that are chosen among by the picture (none:
    no such column), `teacher` its safetensors file, `peers` a folder of files of OpenCV's users,
    `unsharp` radius and percent.
    """

    scale: int
    models: Sequence[tuple[str, Path]]
    auto: Sequence[Path]
    teacher: Path | None
    peers: Path | None
    unsharp: tuple[float, int]
    precision: str = "fp32"


@dataclass(frozen=True)
class Column:
    """One way to bring back detail; `small`: it enlarges, and so needs what was shrunk."""

    name: str
    group: Group
    enhance: Enhance
    small: bool = False


def load_columns(plan: Plan) -> tuple[list[Column], list[str]]:
    """Everything of `plan`, each on one thread, and what had to be left out."""
    nothing, mask = pillow_methods(plan.scale, *plan.unsharp)
    columns = [Column(INPUT, "input", _loaded(nothing)), Column(UNSHARP, "peer", _loaded(mask))]
    columns += [Column(name, "ours", _of(_sharpener(folder, plan))) for name, folder in plan.models]
    if plan.auto:
        columns.append(Column(AUTO, "ours", _automatic(plan)))
    if plan.teacher:
        columns.append(Column(TEACHER, "teacher", _of(_teacher(plan.teacher))))
    peers, notes = peer_methods(plan.peers, plan.scale)
    # OpenCV's own module where it is there, which people use, else the same file in OpenVINO.
    first = {method.name: method for method in reversed(peers)}
    for method in [method for method in peers if first[method.name] is method]:
        columns.append(Column(method.name, "peer", _loaded(method), small=True))
    return columns, notes


def _loaded(method: Method) -> Enhance:
    assert method.load
    return method.load()


def _sharpener(folder: Path, plan: Plan) -> Sharpener:
    return Sharpener(folder, threads=1, precision=plan.precision)


def _of(sharpener: Sharpener) -> Enhance:
    return lambda photo: sharpener.array(photo.low)


def _automatic(plan: Plan) -> Enhance:
    """As `kdsharp sharpen --scale auto`: the picture says which model, or none."""
    sharpeners = {folder.name: _sharpener(folder, plan) for folder in plan.auto}
    cards = {name: sharpener.card for name, sharpener in sharpeners.items()}
    router = Router(cards, lambda name: sharpeners[name].router.first)

    def enhance(photo: Sample) -> Pixels:
        choice, done = router.choose(photo.low), photo.low.copy()
        if choice:
            router.fitted(choice).array(photo.low, done)
        return done

    return enhance


def _teacher(path: Path) -> Sharpener:
    import torch

    from kdsharp.train.engine import torch_engine
    from kdsharp.train.teacher.network import load_teacher

    torch.set_num_threads(1)
    return Sharpener(engine=torch_engine(load_teacher(path)))
