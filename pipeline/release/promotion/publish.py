"""Put a registered student that passed the gate among the models that ship with the package."""

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kdsharp.errors import UserError
from kdsharp.files import atomic_dir, write_text
from kdsharp.runtime.card import CARD, Card, read_card, write_card
from kdsharp.train.config import student_name, student_size
from kdsharp.train.student.network import load_student
from pipeline.evaluation.report.model_card import PAGE
from pipeline.params import load_params
from pipeline.paths import STUDENT
from pipeline.release.promotion.decision_record import DecisionRecord
from pipeline.release.promotion.effort import Effort, as_lineage, efforts, with_efforts
from pipeline.release.promotion.passed import (
    card_gate,
    fetch_decision,
    promoted_by,
    with_gate_section,
)
from pipeline.release.promotion.production import served_files
from pipeline.release.promotion.signature import read_signing_key, sign_folder
from pipeline.release.promotion.whole import require_whole
from pipeline.release.registry.history import find_history
from pipeline.release.registry.names import registered_name, registered_student, role_of
from pipeline.release.registry.versions import (
    Log,
    Version,
    fetch_files,
    find_version,
    open_registry,
)

__all__ = ["LARGEST", "WEIGHTS", "publish"]

WEIGHTS = Path("kdsharp/weights")
"""Where the package keeps its models."""

LARGEST = 300_000
"""The most bytes that a file of a model that ships may have."""

_PROMOTE = "python -m pipeline promote"


def publish(
    model: str = "student",
    number: int | None = None,
    *,
    forced: bool = False,
    to: Path = WEIGHTS,
    log: Log = print,
) -> Path:
    """Write version `number` of `model`, else the one in production, to `to`/NAME.

    NAME is that of the family, such as small-x2; a model of that name is replaced. All of the
    folder or nothing. The files are those of the registry, checked by their SHA-256; card and page
    get the decision that let the version into production; where $KDSHARP_SIGNING_KEY names a key,
    the card is signed. Raises `UserError` for a version that
    did not get there through the gate (see `promoted_by`; `forced` allows one that was promoted
    against it, and card and page say so), was judged for another degradation, is not of the
    family, or is too large.
    """
    name = registered_name(model, load_params())
    read_signing_key()
    if role_of(name) != "student":
        raise UserError(f"{name}: teachers do not ship, only students do")
    with tempfile.TemporaryDirectory() as scratch:
        files = Path(scratch)
        with open_registry() as registry:
            history = find_history(registry, name)
            if number is None and (number := history.last.version) is None:
                raise UserError(f"no version of {name} is in production: {_PROMOTE}")
            version = find_version(registry, name, number)
            entry = promoted_by(history, version, forced)
            record = fetch_decision(version, entry)
            fetch_files(registry, version, files)
            spent = efforts(registry, version)
        member = _member(files, version, record)
        commit = version.tags.get("kdsharp.git_commit", "")
        gate = card_gate(record, entry.why if entry.forced else None, commit)
        card = dataclasses.replace(read_card(files), gate=gate)
        if spent:
            lineage = {**card.lineage, "training": as_lineage(spent)}
            card = dataclasses.replace(card, lineage=lineage)
        _write(files, served_files(version), card, to / member, spent)
    said = "passed the gate" if record.decision.passed else "was forced"
    log(f"{to / member}: {version}, which {said} by decision {entry.decision}")
    for line in (*_sizes(to / member), *_metrics(card)):
        log(f"  {line}")
    return to / member


def _member(files: Path, version: Version, record: DecisionRecord) -> str:
    """The name among those that ship; the model must be what its name and its decision say."""
    card, config = read_card(files), load_student(files / STUDENT.name).config
    made_for, gate = (card.degradation, card.scale), record.decision.numbers["gate"]
    if made_for != (gate["degradation"], gate["scale"]):
        raise UserError(
            f"{version} is made for {card.degradation} x{card.scale}, but was judged on "
            f"{gate['degradation']} x{gate['scale']}"
        )
    if (called := registered_student(config, card.scale, card.degradation)) != version.name:
        raise UserError(f"{version} holds a different student, {called}")
    member = student_name(config, card.scale, card.degradation)
    if student_size(config, card.scale) is None:
        raise UserError(
            f"{version}: {member} is not a size that ships: see python -m pipeline preset --list"
        )
    return member


def _write(
    files: Path, names: list[str], card: Card, target: Path, spent: Mapping[str, Effort]
) -> None:
    if PAGE not in names:
        raise UserError(
            f"{target.name}: the version has no {PAGE}: dvc repro -f export, then register"
        )
    for name in names:
        if (size := (files / name).stat().st_size) > LARGEST:
            raise UserError(f"{name}: has {size:,} bytes; what ships may have at most {LARGEST:,}")
    page = with_efforts((files / PAGE).read_text(encoding="utf-8"), spent)
    page = with_gate_section(page, card.gate or {})
    with atomic_dir(target) as folder:
        for name in set(names) - {CARD, PAGE}:
            shutil.copyfile(files / name, folder / name)
        write_text(folder / PAGE, page)
        write_card(folder, card)
        require_whole(folder, target)
        sign_folder(folder)


def _sizes(folder: Path) -> list[str]:
    return [f"{path.name}: {path.stat().st_size:,} bytes" for path in sorted(folder.iterdir())]


def _metrics(card: Card) -> list[str]:
    """One line for each method that the export has measured, with its gain over the input."""
    lines = []
    for split, methods in card.metrics.items():
        nothing = methods.get("input", {}).get("psnr_y")
        for name, row in methods.items():
            gain = f" ({row['psnr_y'] - nothing:+.2f})" if nothing and name != "input" else ""
            lines.append(f"{split} {name}: PSNR Y {row['psnr_y']:.2f} dB{gain}")
    return lines
