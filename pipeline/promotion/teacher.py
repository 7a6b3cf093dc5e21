"""The production teacher, brought back into the checkout for a new student to learn from."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from kdsharp.errors import UserError
from kdsharp.files import atomic_file
from pipeline.params import load_params
from pipeline.paths import CURVES, TEACHER
from pipeline.registry.connect import open_registry
from pipeline.registry.history import find_history
from pipeline.registry.locked import LOCK
from pipeline.registry.names import registered_name
from pipeline.registry.versions import STAGE_ENTRY, Version, fetch_files, find_version

__all__ = ["fetch_production_teacher"]


def fetch_production_teacher(say: Callable[[str], None] = print) -> Version:
    """Put the production teacher into models/, its curve into reports/, both into dvc.lock.

    dvc.lock gets the stage's entry as it was when that teacher was trained. If photos or
    parameters have changed since, DVC goes on calling the stage out of date, which it is, and the
    next whole retraining trains a new teacher. Raises `UserError` when no teacher is in production.
    """
    name = registered_name("teacher", load_params())
    with open_registry() as registry:
        number = find_history(registry, name).last.version
        if number is None:
            raise UserError(
                f"no version of {name} is in production: python -m pipeline promote --model teacher"
            )
        version = find_version(registry, name, number)
        with tempfile.TemporaryDirectory() as scratch:
            fetch_files(registry, version, Path(scratch))
            for file, target in (
                (TEACHER.name, TEACHER),
                ("teacher.csv", CURVES / "teacher.csv"),
            ):
                with atomic_file(target) as temporary:
                    shutil.copyfile(Path(scratch) / file, temporary)
            entry = json.loads((Path(scratch) / STAGE_ENTRY).read_text(encoding="utf-8"))
    _note(entry)
    say(f"{version}: the student learns from it")
    return version


def _note(entry: dict[str, object]) -> None:
    """Take the stage's entry over into dvc.lock, and its outputs into DVC's cache."""
    from dvc.repo import Repo

    yaml = YAML()
    document = yaml.load(LOCK.read_text(encoding="utf-8")) if LOCK.exists() else None
    document = document or {"schema": "2.0", "stages": {}}
    if dict(document["stages"].get("teacher", {})) != entry["teacher"]:
        document["stages"]["teacher"] = entry["teacher"]
        with atomic_file(LOCK) as temporary, temporary.open("w", encoding="utf-8") as opened:
            yaml.dump(document, opened)
    with Repo() as repo, repo.lock:
        for out in repo.stage.load_one(name="teacher").outs:
            out.commit()
