"""Imports of earlier versions: the error that they raise names the module of today."""

import sys
from collections.abc import Callable, Mapping
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

__all__ = ["MOVED", "announce", "moved_to"]

MOVED: Mapping[str, str] = {
    "kdsharp.batch.photos": "kdsharp.batch.work",
    "kdsharp.batch.table": "kdsharp.batch.report",
    "kdsharp.batch.videos": "kdsharp.batch.work",
    "kdsharp.card": "kdsharp.runtime.card",
    "kdsharp.commands": "kdsharp.cli",
    "kdsharp.compare": "kdsharp.comparison.sheet",
    "kdsharp.doctor": "kdsharp.runtime.doctor",
    "kdsharp.engine": "kdsharp.runtime.engine",
    "kdsharp.engines": "kdsharp.runtime",
    "kdsharp.gmsd": "kdsharp.metrics",
    "kdsharp.images": "kdsharp.imageio.decode",
    "kdsharp.kinds": "kdsharp.routing.classifier",
    "kdsharp.listing": "kdsharp.cli.models",
    "kdsharp.model": "kdsharp.runtime.catalog",
    "kdsharp.photos": "kdsharp.imageio",
    "kdsharp.reveal": "kdsharp.comparison.animation",
    "kdsharp.sharpen": "kdsharp.sharpening.sharpener",
    "kdsharp.sharpen_file": "kdsharp.sharpening.file",
    "kdsharp.single": "kdsharp.runtime.model",
    "kdsharp.sizes": "kdsharp.runtime.catalog",
    "kdsharp.tiles": "kdsharp.runtime.tiles",
    "kdsharp.train.affinity": "kdsharp.train.loop.loss",
    "kdsharp.train.batches": "kdsharp.train.dataset.batches",
    "kdsharp.train.checkpoint": "kdsharp.train.loop.checkpoint",
    "kdsharp.train.crops": "kdsharp.train.dataset.cut",
    "kdsharp.train.distill": "kdsharp.train.student.distill",
    "kdsharp.train.encoder": "kdsharp.train.teacher.encoder",
    "kdsharp.train.encoder_resnet": "kdsharp.train.teacher.resnet",
    "kdsharp.train.encoder_swin": "kdsharp.train.teacher.swin",
    "kdsharp.train.engines": "kdsharp.train.engine",
    "kdsharp.train.examples": "kdsharp.train.dataset.examples",
    "kdsharp.train.export_int8": "kdsharp.train.export.int8",
    "kdsharp.train.family": "kdsharp.train.config",
    "kdsharp.train.imagenet": "kdsharp.train.teacher.encoder",
    "kdsharp.train.kinds": "kdsharp.train.classifier",
    "kdsharp.train.loss": "kdsharp.train.loop.loss",
    "kdsharp.train.patches": "kdsharp.train.dataset.patches",
    "kdsharp.train.quantize": "kdsharp.train.export.quantize",
    "kdsharp.train.soap": "kdsharp.train.loop.soap",
    "kdsharp.train.train_student": "kdsharp.train.student.train",
    "kdsharp.train.train_teacher": "kdsharp.train.teacher.train",
    "kdsharp.train.trainee": "kdsharp.train.student.reparam",
    "kdsharp.train.validate": "kdsharp.train.training",
    "kdsharp.train.weights": "kdsharp.train.loop.weights",
    "kdsharp.train.workers": "kdsharp.train.loop.distributed",
    "kdsharp.upscale": "kdsharp.sharpening.upscale",
    "kdsharp.video.hdr": "kdsharp.video.formats",
    "kdsharp.video.ordered": "kdsharp.video.threads",
    "kdsharp.video.priority": "kdsharp.video.threads",
}
"""Modules of version 0.1 that are elsewhere."""


class _Moved(MetaPathFinder):
    """Asked when no other finder knows a module, and finds none either."""

    def __init__(self, moved: Mapping[str, str]) -> None:
        self._moved = moved

    def find_spec(self, fullname: str, path: Any, target: ModuleType | None = None) -> None:  # noqa: ARG002
        if (new := self._moved.get(fullname)) is not None:
            # Without its name: `from package import module` would swallow the error.
            raise ModuleNotFoundError(f"{fullname} is now {new}")


def announce(moved: Mapping[str, str]) -> None:
    """Let imports of the keys of `moved` raise a `ModuleNotFoundError` that names the value."""
    sys.meta_path.append(_Moved(moved))


def moved_to(package: str, module: str, *names: str) -> Callable[[str], Any]:
    """The `__getattr__` of `package`, which was a module: its `names` are now in `module`."""

    def missing(name: str) -> Any:
        if name in names:
            raise ImportError(f"{package}.{name} is now in {package}.{module}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return missing
