"""Register the models that DVC holds; the same files are registered once."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kdsharp.errors import UserError
from kdsharp.train.student.network import load_student
from pipeline.lock import PATIENT, locked
from pipeline.params import load_params
from pipeline.paths import EXPORT, STUDENT
from pipeline.release.registry.bundle import Bundle, collect_student, collect_teacher, run_of
from pipeline.release.registry.fingerprints import PHOTOS
from pipeline.release.registry.history import open_history
from pipeline.release.registry.names import registered_name
from pipeline.release.registry.provenance import (
    LOCK,
    OUTS,
    Lock,
    changed_params,
    is_sound,
    locked_outs,
    read_lock,
    stale_stages,
)
from pipeline.release.registry.versions import (
    CANDIDATE,
    FILES,
    METRICS,
    NO_TEACHER,
    PRODUCTION,
    Registry,
    Version,
    fetch_files,
    find_content,
    find_version,
    open_registry,
)
from pipeline.tracking.lineage import Lineage, read_lineage
from pipeline.tracking.runs import log_model

if TYPE_CHECKING:
    from mlflow.models import Model

from pipeline.release.registry.versions import Log

__all__ = ["register"]


def register(log: Log = print) -> list[Version]:
    """Make teacher and student versions of their registered models, and candidates.

    Works from the files that dvc.lock names; a run that the store does not know is imported from
    them. What is registered already is found by its content: its lineage is brought up to date if
    it was incomplete, its numbers if it was evaluated again, and its files are repaired if the
    store has lost them. Where the student learned from the truth alone its version says so, and a
    teacher that still lies in models/ is left there. Raises `UserError` while the files are not
    those of dvc.lock.
    """
    params, lock = load_params(), read_lock()
    stale = stale_stages()
    _require_current(lock, stale)
    lineage, taught = read_lineage(params), params.student.needs_teacher
    made_for = {
        "kdsharp.degradation": params.degradation.name,
        "kdsharp.scale": str(params.degradation.scale),
    }
    with locked("register", PATIENT), open_registry() as registry:
        teachers = []
        if taught:
            name = registered_name("teacher", params)
            extra = {**made_for, OUTS: json.dumps(locked_outs(lock, "teacher"))}
            teachers = [_register_teacher(registry, name, lock, lineage, extra, stale, log)]
        else:
            log(f"teacher: {NO_TEACHER}")
        learned_from = [f"{teacher.name}/{teacher.number}" for teacher in teachers]
        extra = {
            **made_for,
            "kdsharp.teacher_version": "".join(learned_from) or NO_TEACHER,
            OUTS: json.dumps(locked_outs(lock, "student")),
        }
        student, name = collect_student(lock, taught), registered_name("student", params)
        return [*teachers, _register(registry, name, student, lineage, extra, log)]


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
    extra: Mapping[str, str],
    stale: Mapping[str, str],
    log: Log,
) -> Version:
    """After `retrain --distill-only` the teacher is an older one: it has to be known."""
    if "teacher" not in lock:
        raise UserError(f"{LOCK} has no stage teacher, but the student learns from one: dvc repro")
    bundle = collect_teacher(lock)
    if "teacher" not in stale:
        return _register(registry, name, bundle, lineage, extra, log)
    known = find_content(registry, name, bundle.content())
    if known is None:
        raise UserError(f"teacher is not up to date ({stale['teacher']}): run dvc repro")
    log(f"{known}: known, the student learned from it")
    return known


def _register(
    registry: Registry,
    name: str,
    bundle: Bundle,
    lineage: Lineage,
    extra: Mapping[str, str],
    log: Log,
) -> Version:
    facts = _facts(bundle, lineage, extra)
    version = find_content(registry, name, facts["kdsharp.content"])
    if version is None:
        version = _create(registry, name, bundle, facts, lineage)
        log(f"{version}: registered")
    else:
        _refresh(registry, version, bundle, facts, log)
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
        **bundle.origin,
        **bundle.environment,
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
    from pipeline.tracking.flavors import save_nothing, save_onnx

    if bundle.role == "teacher":
        save_nothing(folder, meta)  # its weights are among the files, and only torch can run it
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
    registry: Registry, version: Version, bundle: Bundle, facts: Mapping[str, str], log: Log
) -> None:
    """Bring a known version up to date where that makes it better, and repair its files."""
    names = {name for name in facts if name not in version.tags}  # of an older version of this code
    if not is_sound(version.tags) and is_sound(facts):
        names |= facts.keys() - {"kdsharp.files"}
        said = f"now with the lineage of {facts['kdsharp.git_commit']}"
    elif version.tags.get(METRICS) != facts[METRICS]:
        names.add(METRICS)
        said = "now with the numbers of the last evaluation"
    else:
        said = "nothing to do"
    for name in sorted(names):
        registry.client.set_model_version_tag(version.name, str(version.number), name, facts[name])
    log(f"{version}: already registered, {said}")
    with tempfile.TemporaryDirectory() as folder:
        try:
            if version.files and PHOTOS not in version.files:
                raise UserError(f"{version}: it does not say which photos it was trained on")
            fetch_files(registry, version, Path(folder))
        except UserError as error:
            _mend(registry, version, bundle, error, log)


def _mend(registry: Registry, version: Version, bundle: Bundle, error: UserError, log: Log) -> None:
    """Store the files again: those that were noted, if we have them."""
    hashes = bundle.hashes()
    with tempfile.TemporaryDirectory() as folder:
        _write_files(bundle, Path(folder) / FILES)
        registry.client.log_model_artifacts(version.source.removeprefix("models:/"), folder)
    registry.client.set_model_version_tag(
        version.name, str(version.number), "kdsharp.files", json.dumps(hashes)
    )
    log(f"{error}: repaired")


def _make_candidate(registry: Registry, version: Version) -> None:
    """What is in production is no longer a candidate."""
    aliases = registry.client.get_registered_model(version.name).aliases
    if str(aliases.get(PRODUCTION, "")) != str(version.number):
        registry.client.set_registered_model_alias(version.name, CANDIDATE, str(version.number))
