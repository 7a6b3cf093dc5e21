"""What is in production: changed in the history first, then all that follows is made to agree."""

import contextlib
import getpass
import shutil
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kdsharp.errors import KdsharpError, TransientError, UserError, describe
from kdsharp.files import atomic_dir, sha256_file
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.release.gate.evidence import Decision
from pipeline.release.promotion.signature import write_signature
from pipeline.release.promotion.whole import require_whole
from pipeline.release.registry.fingerprints import PHOTOS
from pipeline.release.registry.history import Action, Entry, History
from pipeline.release.registry.names import production_folder, role_of
from pipeline.release.registry.pinned import pin
from pipeline.release.registry.versions import (
    ENVIRONMENT,
    PREVIOUS,
    PRODUCTION,
    STAGE_ENTRY,
    Log,
    Registry,
    Version,
    fetch_files,
    pick_versions,
)

__all__ = [
    "Outcome",
    "Promotion",
    "change",
    "find_served",
    "has_aliases",
    "is_in_place",
    "me",
    "put_in_place",
    "reconcile",
    "serve",
    "served_files",
]

Outcome = Literal["promoted", "unchanged", "refused", "rejected", "rolled back"]


def reconcile(registry: Registry, history: History, log: Log) -> None:
    """Finish what an interrupted promotion or rollback has left half done."""
    target = production_folder(history.name)
    for left in target.parent.glob(f".part-{target.name}-*"):
        shutil.rmtree(left, ignore_errors=True)
    if not is_in_place(registry, history):
        version = history.last.version
        what = f"{history.name} version {version}" if version else f"no version of {history.name}"
        here = f"bringing {target} of this machine up to date"
        doing = here if has_aliases(registry, history) else "finishing an interrupted change"
        log(f"{doing}: {what} in production")
        put_in_place(registry, history)


def is_in_place(registry: Registry, history: History) -> bool:
    """Whether aliases and models/production are what the history says."""
    served = _in_use(registry, history).get(history.last.version or 0)
    return has_aliases(registry, history) and (served is None or _is_served(served))


def has_aliases(registry: Registry, history: History) -> bool:
    """Whether the aliases are what the history says: the same on every machine."""
    versions = _in_use(registry, history)
    aliases = registry.client.get_registered_model(history.name).aliases
    return all(
        str(aliases.get(alias, "")) == (str(version.number) if version else "")
        for alias, version in _wanted(history.last, versions).items()
    )


def find_served(name: str, versions: Sequence[Version]) -> Version | None:
    """The version that the production folder of this machine holds, whole; None: another or none.

    A version whose list of files was tampered with is none of them.
    """
    for version in reversed(versions):
        with contextlib.suppress(UserError):
            if production_folder(name).is_dir() and version.files and _is_served(version):
                return version
    return None


def put_in_place(registry: Registry, history: History) -> None:
    """Let the aliases and models/production follow the history's last entry.

    Any number of processes may do this at once, and any of them may be killed: each goes on until
    what it put in place is what the history says, so the last of them leaves the truth. A version
    that somebody has deleted from the registry has no alias, and its folder stays as it is.
    """
    while True:
        entry = history.last
        versions = _in_use(registry, history)
        for alias, version in _wanted(entry, versions).items():
            _set_alias(registry, history.name, alias, version)
        served = versions.get(entry.version or 0)
        if entry.version is None and role_of(history.name) == "student":
            shutil.rmtree(production_folder(history.name), ignore_errors=True)
        elif served and not _is_served(served):
            with tempfile.TemporaryDirectory() as folder:
                fetch_files(registry, served, Path(folder))
                serve(served, Path(folder))
        if history.read().number == entry.number:
            return


def _in_use(registry: Registry, history: History) -> dict[int, Version]:
    """What is in production and what was before, by number; not what somebody has deleted."""
    last = history.last
    return pick_versions(registry, history.name, (last.version, last.previous))


def _wanted(entry: Entry, versions: Mapping[int, Version]) -> dict[str, Version | None]:
    """The version of each alias; None where it is not set."""
    numbers = {PRODUCTION: entry.version, PREVIOUS: entry.previous}
    return {alias: versions.get(number or 0) for alias, number in numbers.items()}


def served_files(version: Version) -> list[str]:
    """Those of a student's files that make up a model folder."""
    kept_back = {"student.safetensors", "student.csv", STAGE_ENTRY, PHOTOS, ENVIRONMENT}
    return [name for name in version.files if name not in kept_back]


def serve(version: Version, files: Path) -> None:
    """Replace the production folder by the model in `files`, and try it out.

    Raises `UserError` if it is not whole (`require_whole`), and `KdsharpError` if the model does
    not do in its place what it does in `files`.
    """
    target = production_folder(version.name)
    with atomic_dir(target) as folder:
        for name in served_files(version):
            (folder / name).write_bytes((files / name).read_bytes())
        write_signature(version, folder)
        require_whole(folder, target)
    try:
        expected, found = _sharpened(files), _sharpened(target)
    except Exception as error:
        raise KdsharpError(f"{version} does not work in {target}: {error}") from error
    if not np.array_equal(expected, found):
        raise KdsharpError(f"{version} gives a different picture in {target} than in the registry")


def _is_served(version: Version) -> bool:
    """Whether the production folder holds this version, whole; a teacher has no such folder."""
    if version.role == "teacher":
        return True
    folder = production_folder(version.name)
    files = served_files(version)
    return all(
        (folder / name).is_file() and sha256_file(folder / name) == version.files[name]
        for name in files
    )


def _set_alias(registry: Registry, name: str, alias: str, version: Version | None) -> None:
    if version is not None:
        registry.client.set_registered_model_alias(name, alias, str(version.number))
    elif alias in registry.client.get_registered_model(name).aliases:
        registry.client.delete_registered_model_alias(name, alias)


def _sharpened(folder: Path) -> np.ndarray:
    """A small picture with edges and ramps, sharpened by the model in `folder`."""
    rows, columns = np.mgrid[0:47, 0:61]
    waves = [127 + 100 * np.sin(rows / (2 + c)) * np.cos(columns / (3 + c)) for c in range(3)]
    return Sharpener(folder).array(np.stack(waves, axis=2).astype(np.uint8))


@dataclass(frozen=True)
class Promotion:
    """The outcome of a promotion or a rollback."""

    outcome: Outcome
    name: str
    version: int
    previous: int | None
    """The version that was in production before."""
    reason: str
    """One line."""
    report: str
    """Markdown."""
    picture: bytes | None = None
    """PNG."""
    decision: Decision | None = None
    """The gate's; None where nothing had to be judged."""
    decision_id: str = ""
    next_step: str = ""
    """What its user may want to do now, in one line; mostly empty."""


def change(
    registry: Registry,
    history: History,
    action: Action,
    stack: tuple[int, ...],
    *,
    who: str,
    why: str,
    forced: bool = False,
    weak: bool = False,
    numbers: dict[str, float] | None = None,
    decision: str = "",
    gate_set: str = "",
) -> Entry:
    """Make the last of `stack` the version in production; returns the entry of the history.

    The entry is the moment of the change: a process that is killed before it has changed nothing,
    after it the next promotion or rollback finishes the rest. If what is in production then does
    not work, all goes back, the history says so, and `KdsharpError` is raised.
    """
    before = history.last
    entry = Entry(
        number=before.number + 1,
        action=action,
        stack=stack,
        was=before.version,
        when=_now(),
        who=who,
        why=why,
        forced=forced,
        weak=weak,
        numbers=numbers or {},
        decision=decision,
        gate_set=gate_set,
    )
    history.append(entry)
    if action == "promote":
        pin(history.name)
    try:
        put_in_place(registry, history)
    except TransientError:
        raise  # the store is gone: whoever reaches it next goes on from the history
    except Exception as error:
        reason = describe(error)
        number = entry.number + 1
        history.append(Entry(number, "undo", before.stack, entry.version, _now(), who, reason))
        put_in_place(registry, history)
        raise KdsharpError(
            f"{reason}: version {before.version} is back in production"
            if before.version is not None
            else f"{reason}: nothing is in production, as before"
        ) from error
    return entry


def me() -> str:
    """Who is at work here: the user and the machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
