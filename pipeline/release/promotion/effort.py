"""How long what is published was trained, and on what: from the runs of student and teacher."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from textwrap import fill

from pipeline.release.registry.versions import Registry, Version

__all__ = ["Effort", "as_lineage", "efforts", "with_efforts"]

_TEACHER = "kdsharp.teacher_sha256"
_ITEM = re.compile(r"^- \*\*Training\*\*:.*?(?=^- \*\*|^$)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Effort:
    """One training, all parts of an interrupted one together; validation is not counted."""

    hours: float
    cpu: str
    threads: int
    precision: str

    def __str__(self) -> str:
        return f"{self.hours:.1f} hours on {self.cpu}, {self.threads} threads, in {self.precision}"


def efforts(registry: Registry, version: Version) -> dict[str, Effort]:
    """By role, student and teacher: as far as their runs are in the store and say it."""
    found = {"student": _effort(registry, version.tags.get("kdsharp.sha256"))}
    found["teacher"] = _effort(registry, version.tags.get(_TEACHER))
    return {role: effort for role, effort in found.items() if effort}


def _effort(registry: Registry, sha256: str | None) -> Effort | None:
    if not sha256:
        return None
    runs = registry.client.search_runs(
        [registry.experiment],
        f"attributes.status = 'FINISHED' and tags.`kdsharp.sha256` = '{sha256}'",
        order_by=["attributes.end_time DESC"],
    )
    for run in runs:
        tags, seconds = run.data.tags, run.data.metrics.get("train_s")
        if seconds is not None and "kdsharp.cpu" in tags:
            return Effort(
                round(seconds / 3600, 2),
                tags["kdsharp.cpu"],
                int(tags["kdsharp.threads"]),
                tags["kdsharp.precision"],
            )
    return None


def with_efforts(page: str, found: Mapping[str, Effort]) -> str:
    """The model's `page` with an item about them, behind that of the training."""
    if not found:
        return page
    said = "; ".join(f"{role} {effort}" for role, effort in sorted(found.items()))
    item = fill(f"- **Time**: {said}.", 100, subsequent_indent="  ")
    return _ITEM.sub(lambda match: f"{match[0].rstrip()}\n{item}\n", page, count=1)


def as_lineage(found: Mapping[str, Effort]) -> dict[str, dict[str, object]]:
    """The same for a card."""
    return {role: asdict(effort) for role, effort in sorted(found.items())}
