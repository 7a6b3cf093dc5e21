"""The status of registered models for a terminal."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kdsharp.tables import aligned
from pipeline.release.promotion.decision_record import gate_verdict
from pipeline.release.promotion.status import Status
from pipeline.release.promotion.version_json import gate_of, metrics_of
from pipeline.release.registry.history import known_scores
from pipeline.release.registry.names import production_folder, role_of
from pipeline.release.registry.versions import CANDIDATE, METRICS, Version
from pipeline.tracking.store import shown_uri

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["ROWS", "print_all", "print_status"]

ROWS = 20
"""So many versions and entries of the history are shown."""

_WIDTH = 100


def print_status(status: Status) -> None:
    """Two tables, versions and history; what became of the candidate, and what to do next."""
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"[bold]{status.name}[/bold] in {shown_uri()}")
    console.print(_versions(status))
    if status.entries:
        console.print(_history(status))
    for line in (*_candidate(status), *_others(status), *_next(status)):
        console.print(line, markup=False, soft_wrap=True)


def print_all(found: Sequence[Status]) -> None:
    """A line for each registered model."""
    heads = ("model", "production", "Y-PSNR", "candidate", "previous", "versions", "folder")
    print("\n".join(aligned(heads, [_row(status) for status in found], len(heads))))


def _row(status: Status) -> list[str]:
    candidate = next((v for v in status.versions if v.number == status.candidate), None)
    waits = candidate is not None and candidate.number != status.production
    return [
        status.name,
        _number(status.production),
        _score(status, status.production),
        f"{candidate.number}, {gate_verdict(candidate.tags)}" if candidate and waits else "",
        _number(status.previous),
        str(len(status.versions)),
        (status.folder or "") + ("" if status.in_place else " (a change was interrupted)"),
    ]


def _versions(status: Status) -> "Table":
    table = _table("Versions, newest first", "version", "is", "gate", "Y-PSNR", "data", "commit")
    for version in reversed(status.versions[-ROWS:]):
        tags = version.tags
        dirty = "*" if tags.get("kdsharp.dirty") != "false" else ""
        table.add_row(
            str(version.number),
            status.alias_of(version.number) or "",
            gate_verdict(tags),
            _score(status, version.number),
            tags.get("kdsharp.data_hash", "")[:8],
            tags.get("kdsharp.git_commit", "")[:8] + dirty,
        )
    return table


def _score(status: Status, number: int | None) -> str:
    """Its Y-PSNR on the gate set when it was last compared, promoted or not."""
    score = known_scores(status.entries).get(number or 0)
    for version in status.versions:
        if score is None and version.number == number and (gate := gate_of(version.tags)):
            score = gate["numbers"].get("psnr_y", {}).get("candidate")
    return "" if score is None else f"{score:.3f} dB"


def _history(status: Status) -> "Table":
    table = _table("History, newest first", "when (UTC)", "who", "what", "Y-PSNR", "why")
    for entry in reversed(status.entries[-ROWS:]):
        was, now = ("nothing" if n is None else n for n in (entry.was, entry.version))
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


def _candidate(status: Status) -> Iterator[str]:
    """Its scores, and why it was refused."""
    for version in status.versions:
        if status.alias_of(version.number) != CANDIDATE:
            continue
        yield f"Candidate       version {version.number}: {_verdict(version)}"
        for line in _scores(version):
            yield f"                {line}"
        gate = gate_of(version.tags)
        if gate and not gate["passed"]:
            reasons = gate["reason"].split("; ")
            for reason in reasons:
                yield textwrap.fill(
                    reason, _WIDTH, initial_indent=" " * 16 + "- ", subsequent_indent=" " * 18
                )
        yield ""


def _verdict(version: Version) -> str:
    gate = gate_of(version.tags)
    if gate is None:
        return "not judged yet"
    return f"{'passed' if gate['passed'] else 'refused'} by decision {gate['decision']}"


def _scores(version: Version) -> Iterator[str]:
    """On the gate set, and of its own evaluation."""
    gate, role = gate_of(version.tags), version.role
    psnr = gate["numbers"].get("psnr_y", {}) if gate else {}
    if "candidate" in psnr:
        beside = [f"{k} {psnr[k]:.3f}" for k in ("incumbent", "input") if k in psnr]
        yield f"gate set: Y-PSNR {psnr['candidate']:.3f} dB ({', '.join(beside)})"
    if METRICS not in version.tags:
        return
    for split, methods in metrics_of(version.tags).items():
        measured = {m: row["psnr_y"] for m, row in methods.items() if "psnr_y" in row}
        nothing = measured.pop("input", None)
        named = {m: v for m, v in measured.items() if m.startswith(role)}
        if named and nothing is not None:
            said = ", ".join(f"{m} {v:.2f} ({v - nothing:+.2f})" for m, v in named.items())
            yield f"{split}: Y-PSNR {said} dB"


def _others(status: Status) -> Iterator[str]:
    """Variants are models of their own: they are seen here, and shown by --model or --all."""
    if not status.others:
        return
    yield "Other models    " + "; ".join(
        f"{one.name} ({_about(one.production, one.candidate)})" for one in status.others
    )


def _about(production: int | None, candidate: int | None) -> str:
    there = "nothing" if production is None else f"version {production}"
    waits = f", version {candidate} waits" if candidate not in (None, production) else ""
    return f"{there} in production{waits}"


def _next(status: Status) -> Iterator[str]:
    named = f"--model {status.name}"
    if not status.in_place:
        yield (
            "A change was interrupted: aliases are behind the history; the next promote or "
            "rollback finishes it."
        )
    if status.production is not None and role_of(status.name) == "student":
        yield _here(status)
    if status.candidate is not None and status.candidate != status.production:
        yield f"Judge           python -m pipeline judge {named}"
        yield f"Judge, promote  python -m pipeline promote {named}"
    if status.previous is not None:
        yield f"Go back         python -m pipeline rollback {named}"
    other = status.previous if status.candidate == status.production else status.candidate
    numbers = [number for number in (status.production, other) if number is not None]
    if len(numbers) == 2:
        words = " ".join(map(str, numbers))
        yield f"Compare         python -m pipeline compare {words} {named}"


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


def _number(number: int | None) -> str:
    return "" if number is None else str(number)
