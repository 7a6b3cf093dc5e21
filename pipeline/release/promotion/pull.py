"""Copy a registered model: to a folder anywhere, or the production teacher to the checkout."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from ruamel.yaml import YAML

from kdsharp.errors import UserError
from kdsharp.files import atomic_dir, atomic_file
from kdsharp.runtime.card import CARD
from pipeline.environment import environment_file, write_environment
from pipeline.params import Params, load_params
from pipeline.paths import CURVES, TEACHER
from pipeline.release.promotion.production import served_files
from pipeline.release.promotion.signature import require_signed, write_signature
from pipeline.release.promotion.teacher_age import read_age
from pipeline.release.promotion.whole import require_whole
from pipeline.release.registry.history import find_history
from pipeline.release.registry.names import registered_name
from pipeline.release.registry.pinned import find_model
from pipeline.release.registry.provenance import LOCK, made_for
from pipeline.release.registry.versions import (
    ENVIRONMENT,
    PRODUCTION,
    STAGE_ENTRY,
    Log,
    Version,
    fetch_files,
    find_version,
    open_registry,
)

__all__ = ["fetch_production_teacher", "pull"]


def pull(
    model: str,
    which: int | str = PRODUCTION,
    *,
    to: Path,
    verify_key: Path | None = None,
    log: Log = lambda _: None,
) -> Version:
    """Write the files that serve version or alias `which` of `model` to the folder `to`.

    Which model is meant says `find_model`, and not params.yaml.

    A student arrives as a model folder, a teacher as teacher.safetensors; the SHA-256 of each file
    is checked, by the registry's list and by the card, and with `verify_key`, the file of a public
    key, who signed the card. Raises `UserError` when `to` holds anything but an earlier model, and
    for a model that fails a check: `to` is then as it was.
    """
    to = Path(to)
    _require_replaceable(to)
    with open_registry() as registry:
        name = find_model(registry, model, log)
        version = find_version(registry, name, which)
        student = version.role == "student"
        if verify_key and not student:
            raise UserError(f"{version}: has no card that is signed: leave out --verify-key")
        with tempfile.TemporaryDirectory() as scratch:
            fetch_files(registry, version, Path(scratch))
            with atomic_dir(to) as folder:
                for file in served_files(version) if student else [TEACHER.name]:
                    (folder / file).write_bytes((Path(scratch) / file).read_bytes())
                if student:
                    write_signature(version, folder)
                    require_whole(folder, to)
                if verify_key:
                    require_signed(folder, verify_key, to)
    return version


def _require_replaceable(to: Path) -> None:
    """Nobody's files are replaced but those of an earlier model."""
    if to.is_file():
        raise UserError(f"{to} is a file: name a folder")
    names = {path.name for path in to.iterdir()} if to.is_dir() else set()
    if names and not names & {CARD, TEACHER.name}:
        raise UserError(f"{to} is not empty and holds no model: name another folder")


def fetch_production_teacher(log: Callable[[str], None] = print) -> Version:
    """Put the production teacher into models/, its curve into reports/, both into dvc.lock.

    dvc.lock gets the stage's entry as it was when that teacher was trained. If photos or
    parameters have changed since, DVC goes on calling the stage out of date, which it is, and the
    next whole retraining trains a new teacher. Raises `UserError` when no teacher of this
    degradation and scale is in production, or the student learns from none.
    """
    params = load_params()
    if not params.student.needs_teacher:
        raise UserError(
            "params.yaml: student.teacher_weight and student.feature_weight are 0, so the student "
            "learns from no teacher: leave out --distill-only"
        )
    name = registered_name("teacher", params)
    with open_registry() as registry:
        number = find_history(registry, name).last.version
        if number is None:
            raise UserError(
                f"no version of {name} is in production: python -m pipeline promote --model teacher"
            )
        version = find_version(registry, name, number)
        _require_made_for(version, params)
        with tempfile.TemporaryDirectory() as scratch:
            fetch_files(registry, version, Path(scratch))
            write_environment("teacher", None)  # of an older version that does not say
            for file, target in (
                (TEACHER.name, TEACHER),
                ("teacher.csv", CURVES / "teacher.csv"),
                (ENVIRONMENT, environment_file("teacher")),
            ):
                if file in version.files:
                    with atomic_file(target) as temporary:
                        shutil.copyfile(Path(scratch) / file, temporary)
            entry = json.loads((Path(scratch) / STAGE_ENTRY).read_text(encoding="utf-8"))
        age = read_age(registry, version)
    _note(entry)
    log(f"{version}: the student learns from it")
    log(str(age))
    return version


def _require_made_for(version: Version, params: Params) -> None:
    """Teachers had one name for all once, and an alias can be moved by hand."""
    wanted, found = (params.degradation.name, params.degradation.scale), made_for(version.tags)
    if found is None:
        raise UserError(
            f"{version} does not say for which degradation it was trained: python -m pipeline "
            "register where DVC has it, or retrain without --distill-only"
        )
    if found != wanted:
        raise UserError(
            f"{version} was trained for {found[0]} x{found[1]}, params.yaml asks for {wanted[0]} "
            f"x{wanted[1]}: retrain without --distill-only"
        )


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
