"""Scores that were computed before: of a photo, by a method, with a degradation and this code.

They lie in `.checkpoints/scores`, one file a method, one line a photo. An evaluation that was
interrupted goes on where it was, and one with a new student does not ask the teacher again.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Self, TextIO

from kdsharp.files import sha256_file
from kdsharp.metrics import METRICS
from pipeline.paths import CHECKPOINTS

if TYPE_CHECKING:
    from pipeline.evaluation.scoring import EvalPhoto

__all__ = ["KeptScores", "Scores"]

_MOST = 40  # files: those that were used last. One of 200 photos has 30 KB


Scores = dict[str, float]
"""The metrics of one photo by one method."""


class KeptScores:
    """The scores of `methods`, by name; each value says all that its scores depend on.

    A context manager: new scores are on disk as soon as they are put. Threads may share it.
    """

    def __init__(self, methods: Mapping[str, str], folder: Path = CHECKPOINTS / "scores") -> None:
        self._folder = folder
        self._paths = {
            name: folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.jsonl"
            for name, key in methods.items()
        }
        self._known = {name: _read(path) for name, path in self._paths.items()}
        self._files: dict[str, TextIO] = {}
        self._lock = Lock()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        for name, path in self._paths.items():
            path.touch()
            self._files[name] = path.open("a", encoding="utf-8", buffering=1)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.close()
        files = sorted(self._folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
        for path in files[:-_MOST]:
            path.unlink(missing_ok=True)

    def find(self, photo: "EvalPhoto") -> dict[str, Scores]:
        """What is known of `photo`, by method; its name and what its file holds decide.

        Nothing of a file that cannot be read.
        """
        try:
            key = _key(photo)
        except OSError:
            return {}
        return {name: known[key] for name, known in self._known.items() if key in known}

    def put(self, photo: "EvalPhoto", found: Mapping[str, Scores]) -> None:
        """Keep what methods scored on `photo`."""
        key = _key(photo)
        with self._lock:
            for name, scores in found.items():
                self._files[name].write(json.dumps({"photo": key, **scores}) + "\n")


def _key(photo: "EvalPhoto") -> str:
    # The name too: what a recipe draws follows from it.
    whole = f"{photo.split}/{photo.name} {sha256_file(photo.path)}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]


def _read(path: Path) -> dict[str, Scores]:
    """By photo; a line that a kill cut off is left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    known = {}
    for line in lines:
        try:
            row = json.loads(line)
            known[row["photo"]] = {key: float(row[key]) for key in METRICS}
        except (ValueError, LookupError, TypeError):
            continue
    return known
