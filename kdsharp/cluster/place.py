"""What a worker needs to be like, checked by itself before each of its tasks.

Whoever joins a cluster late is checked as well. All of it would else be found out by wrong
results, or not at all: a photo that a worker does not see would count as a damaged one, what it
writes into a folder of its own would be lost, and another Pillow decodes other pixels.
"""

import contextlib
import hashlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kdsharp.errors import UserError

__all__ = ["Place", "code_of", "here"]

_PACKAGES = ("numpy", "onnxruntime", "openvino", "pillow", "torch")
"""Those whose versions decide pixels and numbers."""

_SETTINGS = ("KDSHARP_MAX_MEGAPIXELS", "KDSHARP_MODEL")
_DECIDE = frozenset((".py", ".json"))  # code, and the cards that pin the weights beside them


@dataclass(frozen=True)
class Place:
    """Where a run works: its folder, a file that all machines see, its code, its settings."""

    folder: Path
    marker: Path
    package: str
    code: str
    settings: tuple[tuple[str, str | None], ...] = ()
    """What variables that decide a picture say there; None: nothing."""

    def enter(self, worker: str, threads: int) -> None:
        """Go to the folder, with its settings, as the worker of this name with so many threads.

        Raises `UserError` that names the worker if it has several, does not see the files, or runs
        other code.
        """
        if threads != 1:
            raise UserError(
                f"the worker {worker} has {threads} threads: start it with --nthreads 1, "
                "and --nworkers for more of them"
            )
        if not (self.folder.is_dir() and self.marker.exists()):
            raise UserError(
                f"the worker {worker} does not see the files of {self.marker.parent}: every worker "
                "needs the same folders at the same paths"
            )
        if code_of(self.package) != self.code:
            raise UserError(
                f"the worker {worker} runs other code or packages than this machine: set it up "
                "alike, and start it again"
            )
        for name, value in self.settings:
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        os.chdir(self.folder)


@contextlib.contextmanager
def here(shared: Path, package: str) -> Iterator[Place]:
    """The place of this process, as long as the block lasts; a marker lies in `shared` meanwhile.

    `package` is the top-level package of the code that is to run, beside `kdsharp`.
    """
    shared.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(prefix=".kdsharp-cluster-", dir=shared.absolute()) as marker:
        settings = tuple((name, os.environ.get(name)) for name in _SETTINGS)
        yield Place(Path.cwd(), Path(marker.name), package, code_of(package), settings)


@cache
def code_of(package: str) -> str:
    """A hash of `kdsharp`, of `package`, and of the versions that pixels depend on.

    As they were when this process asked first: code that is edited later is not what it runs.
    """
    whole = hashlib.sha256(f"python {sys.version_info[:2]}\n".encode())
    for name in _PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            whole.update(f"{name} {version(name)}\n".encode())
    for name in sorted({"kdsharp", package}):
        for root in map(Path, getattr(importlib.import_module(name), "__path__", ())):
            for path in sorted(path for path in root.rglob("*") if path.suffix in _DECIDE):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                whole.update(f"{name}/{path.relative_to(root).as_posix()} {digest}\n".encode())
    return whole.hexdigest()
