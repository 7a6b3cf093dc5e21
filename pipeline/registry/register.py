"""Register the models that DVC holds; the same files are registered once."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdsharp.errors import UserError
from kdsharp.train.student import load_student
from kdsharp.train.teacher import load_teacher
from pipeline.lineage import Lineage, read_lineage
from pipeline.lock import PATIENT, locked
from pipeline.params import load_params
from pipeline.paths import EXPORT, STUDENT, TEACHER
from pipeline.registry.bundle import Bundle, collect_student, collect_teacher
from pipeline.registry.connect import Registry, open_registry
from pipeline.registry.history import open_history
from pipeline.registry.locked import Lock, changed_params, read_lock, stale_stages
from pipeline.registry.names import registered_name
from pipeline.registry.provenance import is_sound
from pipeline.registry.runs import run_of
from pipeline.registry.versions import (
    CANDIDATE,
    FILES,
    METRICS,
    PRODUCTION,
    Version,
    fetch_files,
    find_content,
    find_version,
)
from pipeline.tracking import log_model

if TYPE_CHECKING:
    from mlflow.models import Model

__all__ = ["register"]

Say = Callable[[str], None]


def register(say: Say = print) -> list[Version]:
    """Make teacher and student versions of their registered models, and candidates.

    Works from the files that dvc.lock names; a run that the store does not know is imported from
    them. What is registered already is found by its content: its lineage is brought up to date if
    it was incomplete, its numbers if it was evaluated anew, its files are mended if the store has
    lost them. Raises `UserError` while the files are not those of dvc.lock.
    """
    params, lock = load_params(), read_lock()
    stale = stale_stages()
    _require_current(lock, stale)
    lineage = read_lineage(params)
    with locked("register", PATIENT), open_registry() as registry:
        teacher_name = registered_name("teacher", params)
        teacher = _register_teacher(registry, teacher_name, lock, lineage, stale, say)
        student = collect_student(lock)
        extra = {"kdsharp.teacher_version": f"{teacher.name}/{teacher.number}"}
        name = registered_name("student", params)
        return [teacher, _register(registry, name, student, lineage, extra, say)]


def _require_current(lock: Lock, stale: Mapping[str, str]) -> None:
    """The student's files must be what dvc.lock says, made with the parameters of params.yaml."""
    for stage in ("student", "export", "evaluate"):
        if stage in stale:
            raise UserError(
                f"{stage} is not up to date ({stale[stage]}): run dvc repro, or dvc checkout "
                "for the files that dvc.lock names"
            )
    if changed := changed_params(lock, ("acquire", "patches")):
        raise UserError(f"params.yaml: {changed[0]} was changed since the last run: run dvc repro")


def _register_teacher(
    registry: Registry,
    name: str,
    lock: Lock,
    lineage: Lineage,
    stale: Mapping[str, str],
    say: Say,
) -> Version:
    """After `retrain --distill-only` the teacher is an older one: it has to be known."""
    bundle = collect_teacher(lock)
    if "teacher" not in stale:
        return _register(registry, name, bundle, lineage, {}, say)
    known = find_content(registry, name, bundle.content())
    if known is None:
        raise UserError(f"teacher is not up to date ({stale['teacher']}): run dvc repro")
    say(f"{known}: known, the student learned from it")
    return known


def _register(
    registry: Registry,
    name: str,
    bundle: Bundle,
    lineage: Lineage,
    extra: Mapping[str, str],
    say: Say,
) -> Version:
    facts = _facts(bundle, lineage, extra)
    version = find_content(registry, name, facts["kdsharp.content"])
    if version is None:
        version = _create(registry, name, bundle, facts, lineage)
        say(f"{version}: registered")
    else:
        _refresh(registry, version, bundle, facts, say)
    _make_candidate(registry, version)
    return find_version(registry, name, version.number)


def _facts(bundle: Bundle, lineage: Lineage, extra: Mapping[str, str]) -> dict[str, str]:
    """The tags of a version: what it is, what it comes from, how good it is."""
    return {
        "kdsharp.content": bundle.content(),
        "kdsharp.files": json.dumps(bundle.hashes()),
        "kdsharp.sha256": bundle.sha256,
        "kdsharp.parameters": str(bundle.parameters),
        "kdsharp.macs_per_pixel": str(bundle.macs_per_pixel),
        METRICS: json.dumps(dict(bundle.metrics)),
        **({"kdsharp.teacher_sha256": bundle.teacher_sha256} if bundle.teacher_sha256 else {}),
        **lineage.tags(),
        **extra,
    }


def _create(
    registry: Registry, name: str, bundle: Bundle, facts: Mapping[str, str], lineage: Lineage
) -> Version:
    open_history(registry, name)
    run_id = run_of(registry, bundle, lineage)
    logged = log_model(
        registry.client,
        registry.experiment,
        run_id,
        name,
        lambda folder, meta: _save(bundle, folder, meta),
    )
    # The last step, and one that happens or does not: whoever is killed before it can begin anew.
    made = registry.client.create_model_version(
        name, f"models:/{logged.model_id}", run_id, dict(facts), model_id=logged.model_id
    )
    return find_version(registry, name, int(made.version))


def _save(bundle: Bundle, folder: Path, meta: "Model") -> None:
    """MLflow's own form, so that its tools can serve it, and our files beside it."""
    from pipeline.flavors import save_onnx, save_torch

    if bundle.kind == "teacher":
        save_torch(load_teacher(TEACHER), folder, meta, np.zeros((2, 3, 64, 64), np.float32))
    else:
        (exported,) = EXPORT.glob("student.onnx")
        planes = load_student(STUDENT).planes
        save_onnx(exported, folder, meta, np.zeros((2, planes, 64, 64), np.float32))
    _write_files(bundle, folder / FILES)


def _write_files(bundle: Bundle, folder: Path) -> None:
    folder.mkdir()
    for name, source in bundle.files.items():
        if isinstance(source, Path):
            shutil.copyfile(source, folder / name)
        else:
            (folder / name).write_text(source, encoding="utf-8", newline="\n")


def _refresh(
    registry: Registry, version: Version, bundle: Bundle, facts: Mapping[str, str], say: Say
) -> None:
    """Bring a known version up to date where that makes it better, and mend its files."""
    if not is_sound(version.tags) and is_sound(facts):
        names = [name for name in facts if name != "kdsharp.files"]
        for name in names:
            registry.client.set_model_version_tag(
                version.name, str(version.number), name, facts[name]
            )
        say(f"{version}: registered before, now with the lineage of {facts['kdsharp.git_commit']}")
    elif version.tags.get(METRICS) != facts[METRICS]:
        registry.client.set_model_version_tag(
            version.name, str(version.number), METRICS, facts[METRICS]
        )
        say(f"{version}: registered before, now with the numbers of the last evaluation")
    else:
        say(f"{version}: registered before, nothing to do")
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetch_files(registry, version, Path(folder))
        except UserError as error:
            _mend(registry, version, bundle, error, say)


def _mend(registry: Registry, version: Version, bundle: Bundle, error: UserError, say: Say) -> None:
    """Store the files again: those that were noted, if we have them."""
    hashes = bundle.hashes()
    with tempfile.TemporaryDirectory() as folder:
        _write_files(bundle, Path(folder) / FILES)
        registry.client.log_model_artifacts(version.source.removeprefix("models:/"), folder)
    registry.client.set_model_version_tag(
        version.name, str(version.number), "kdsharp.files", json.dumps(hashes)
    )
    say(f"{error}: mended")


def _make_candidate(registry: Registry, version: Version) -> None:
    """What is in production is no candidate any more."""
    aliases = registry.client.get_registered_model(version.name).aliases
    if str(aliases.get(PRODUCTION, "")) != str(version.number):
        registry.client.set_registered_model_alias(version.name, CANDIDATE, str(version.number))
