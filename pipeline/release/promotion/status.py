"""What is in production, what waits, and how it came about: read at one moment, and as JSON."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pipeline.release.promotion.production import find_served, has_aliases
from pipeline.release.promotion.version_json import version_json
from pipeline.release.registry.history import Entry, History, find_history
from pipeline.release.registry.names import production_folder, role_of
from pipeline.release.registry.pinned import Listed, find_model, list_models
from pipeline.release.registry.versions import (
    CANDIDATE,
    PREVIOUS,
    PRODUCTION,
    Registry,
    Version,
    last_versions,
    list_versions,
    open_registry,
    pick_versions,
)

__all__ = ["Status", "read_all", "read_status"]


@dataclass(frozen=True)
class Status:
    """One registered model, read at one moment."""

    name: str
    versions: tuple[Version, ...]
    """Oldest first; all, or the last ones and those that are in use."""
    entries: tuple[Entry, ...]
    candidate: int | None
    in_place: bool
    """Whether the aliases are what the history says."""
    here: int | None = None
    """The version in this machine's production folder; None where it holds none of them."""
    others: tuple[Listed, ...] = ()
    """The other registered models."""

    @property
    def production(self) -> int | None:
        """The version in production."""
        return self.entries[-1].version if self.entries else None

    @property
    def previous(self) -> int | None:
        """What a rollback would bring back."""
        return self.entries[-1].previous if self.entries else None

    @property
    def folder(self) -> str | None:
        """Where the version in production lies; None for a teacher, and for none."""
        if self.production is None or self.name.startswith("kdsharp-teacher"):
            return None
        return str(production_folder(self.name))

    def alias_of(self, number: int) -> str | None:
        """What a version is, in one word."""
        roles = {self.candidate: CANDIDATE, self.previous: PREVIOUS, self.production: PRODUCTION}
        return roles.get(number)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for scripts; docs/promotion.md shows it."""
        return {
            "name": self.name,
            "production": self.production,
            "previous": self.previous,
            "candidate": self.candidate,
            "in_place": self.in_place,
            "here": self.here,
            "folder": self.folder,
            "versions": [version_json(v, self.alias_of(v.number)) for v in self.versions],
            "history": [_entry(entry) for entry in self.entries],
            "others": [
                {"name": o.name, "production": o.production, "candidate": o.candidate}
                for o in self.others
            ],
        }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "number": entry.number,
        "action": entry.action,
        "from": entry.was,
        "to": entry.version,
        "when": entry.when,
        "who": entry.who,
        "why": entry.why,
        "forced": entry.forced,
        "weak": entry.weak,
        "psnr_y": entry.numbers,
        "decision": entry.decision or None,
    }


def read_status(
    model: str = "student",
    log: Callable[[str], None] = lambda _: None,
    *,
    last: int | None = None,
) -> Status:
    """The status of `model`, see `find_model`; `UserError` where it is not registered.

    With `last` only so many versions are read, and those that are in use.
    """
    with open_registry() as registry:
        name = find_model(registry, model, log)
        found = _read(registry, name, last)
        others = tuple(one for one in list_models(registry) if one.name != name)
    return replace(found, others=others)


def read_all() -> list[Status]:
    """The status of every registered model, by name."""
    with open_registry() as registry:
        return [_read(registry, one.name) for one in list_models(registry)]


def _read(registry: Registry, name: str, last: int | None = None) -> Status:
    # The history first: whatever is changed meanwhile, what is shown was true together.
    history = find_history(registry, name)
    aliases = registry.client.get_registered_model(name).aliases
    there = {version.number: version for version in _some(registry, name, last)}
    used = {history.last.version, history.last.previous, *map(int, aliases.values())}
    there |= pick_versions(registry, name, used - there.keys())
    served = _served(registry, history, list(there.values()), last)
    if served:
        there[served.number] = served
    return Status(
        name=name,
        versions=tuple(there[number] for number in sorted(there)),
        entries=tuple(history.entries),
        candidate=int(aliases[CANDIDATE]) if CANDIDATE in aliases else None,
        in_place=has_aliases(registry, history),
        here=served.number if served else None,
    )


def _some(registry: Registry, name: str, last: int | None) -> list[Version]:
    return list_versions(registry, name) if last is None else last_versions(registry, name, last)


def _served(
    registry: Registry, history: History, versions: list[Version], last: int | None
) -> Version | None:
    """The version in this machine's folder: one of `versions`, or of the older ones."""
    if role_of(history.name) == "teacher" or not production_folder(history.name).is_dir():
        return None
    # Of two with the same files, the one in production.
    likely = sorted(versions, key=lambda version: version.number == history.last.version)
    served = find_served(history.name, likely)
    if served is None and last is not None:
        served = find_served(history.name, list_versions(registry, history.name))
    return served
