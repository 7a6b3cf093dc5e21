"""What is in production, what waits, and how it came about: for the terminal and as JSON."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.params import load_params
from pipeline.release.promotion.decision_record import gate_verdict
from pipeline.release.promotion.production import find_served, has_aliases
from pipeline.release.registry.history import Entry, find_history, known_scores
from pipeline.release.registry.names import production_folder, registered_name, role_of
from pipeline.release.registry.versions import CANDIDATE, Version, list_versions, open_registry
from pipeline.tracking.store import shown_uri

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["Status", "print_status", "read_status"]

_ROWS = 20


@dataclass(frozen=True)
class Status:
    """One registered model, read at one moment."""

    name: str
    versions: tuple[Version, ...]
    entries: tuple[Entry, ...]
    candidate: int | None
    in_place: bool
    """Whether the aliases are what the history says."""
    here: int | None = None
    """The version in this machine's production folder; None where it holds none of them."""

    @property
    def production(self) -> int | None:
        """The version in production."""
        return self.entries[-1].version if self.entries else None

    @property
    def previous(self) -> int | None:
        """What a rollback would bring back."""
        return self.entries[-1].previous if self.entries else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, for scripts."""
        return {
            "name": self.name,
            "production": self.production,
            "previous": self.previous,
            "candidate": self.candidate,
            "in_place": self.in_place,
            "here": self.here,
            "versions": [
                {"version": v.number, **{k: v.tags[k] for k in sorted(v.tags)}}
                for v in self.versions
            ],
            "history": [
                {
                    "number": e.number,
                    "action": e.action,
                    "from": e.was,
                    "to": e.version,
                    "when": e.when,
                    "who": e.who,
                    "why": e.why,
                    "forced": e.forced,
                    "weak": e.weak,
                    "psnr_y": e.numbers,
                    "decision": e.decision,
                }
                for e in self.entries
            ],
        }


def read_status(model: str = "student") -> Status:
    """The status of `model`; `UserError` where it is not registered."""
    name = registered_name(model, load_params())
    with open_registry() as registry:
        # The history first: whatever is changed meanwhile, what is shown was true together.
        history = find_history(registry, name)
        aliases = registry.client.get_registered_model(name).aliases
        versions = tuple(list_versions(registry, name))
        # Of two with the same files, the one in production.
        likely = sorted(versions, key=lambda version: version.number == history.last.version)
        served = None if role_of(name) == "teacher" else find_served(name, likely)
        return Status(
            name=name,
            versions=versions,
            entries=tuple(history.entries),
            candidate=int(aliases[CANDIDATE]) if CANDIDATE in aliases else None,
            in_place=has_aliases(registry, history),
            here=served.number if served else None,
        )


def print_status(status: Status) -> None:
    """Two tables, versions and history, and what to do next."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"[bold]{status.name}[/bold] in {shown_uri()}")
    console.print(_versions(status))
    if status.entries:
        console.print(_history(status))
    console.print(_next(status), markup=False)


def _versions(status: Status) -> "Table":
    table = _table("Versions, newest first", "version", "is", "gate", "Y-PSNR", "data", "commit")
    scores = known_scores(status.entries)
    roles = {
        status.candidate: "candidate",
        status.previous: "previous",
        status.production: "production",
    }
    for version in reversed(status.versions[-_ROWS:]):
        tags = version.tags
        dirty = "*" if tags.get("kdsharp.dirty") != "false" else ""
        score = scores.get(version.number)
        table.add_row(
            str(version.number),
            roles.get(version.number, ""),
            gate_verdict(tags),
            f"{score:.3f} dB" if score is not None else "",
            tags.get("kdsharp.data_hash", "")[:8],
            tags.get("kdsharp.git_commit", "")[:8] + dirty,
        )
    return table


def _history(status: Status) -> "Table":
    table = _table("History, newest first", "when (UTC)", "who", "what", "Y-PSNR", "why")
    for entry in reversed(status.entries[-_ROWS:]):
        was = "nothing" if entry.was is None else entry.was
        now = "nothing" if entry.version is None else entry.version
        now_db, was_db = entry.numbers.get("now"), entry.numbers.get("was")
        score = "" if now_db is None else f"{now_db:.3f} dB"
        if now_db is not None and was_db is not None:
            score += f" ({now_db - was_db:+.3f})"
        marks = [word for word in ("forced", "weak") if getattr(entry, word)]
        what = f"{entry.action} {was} -> {now}" + (f" ({', '.join(marks)})" if marks else "")
        when = entry.when.replace("T", " ").removesuffix("Z")[:16]
        table.add_row(when, entry.who, what, score, entry.why)
    return table


def _table(title: str, *heads: str) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for head in heads:
        table.add_column(head, overflow="fold")
    return table


def _here(status: Status) -> str:
    """What this machine has of what is in production."""
    folder = production_folder(status.name)
    if status.here == status.production:
        return f"In production   {folder}, on this machine"
    there = f"version {status.here}" if status.here else "something else"
    holds = f"holds {there}" if folder.is_dir() else "is not on this machine"
    return (
        f"In production   version {status.production}; {folder} {holds}: python -m pipeline pull "
        f"--model {status.name} --to {folder}"
    )


def _next(status: Status) -> str:
    lines = []
    if not status.in_place:
        lines.append(
            "A change was interrupted: aliases are behind the history; the next promote or "
            "rollback finishes it."
        )
    if status.production is not None and role_of(status.name) == "student":
        lines.append(_here(status))
    if status.candidate is not None and status.candidate != status.production:
        lines.append("Judge, promote  python -m pipeline promote")
    if status.previous is not None:
        lines.append("Go back         python -m pipeline rollback")
    return "\n".join(lines)
