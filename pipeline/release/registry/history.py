"""The history of a registered model: what was in production, when, and why it changed.

MLflow has aliases, but no history, and no way to change an alias only if nobody else did. It does
have one thing that is written once and never changed: a parameter of a run. So each registered
model has a run, `history of NAME`, whose parameters are the entries: `0001`, `0002` and so on, each
one a JSON object. To write the next number is to change production; of two processes that try, the
store lets one through. The last entry is the truth; the aliases and models/production follow it.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from kdsharp.errors import KdsharpError, TransientError, UserError
from pipeline.release.registry.history_run import (
    TAG,
    about,
    find_run_id,
    make_run,
    read_run,
    restore_run,
)
from pipeline.release.registry.versions import Registry

__all__ = [
    "Action",
    "Entry",
    "History",
    "find_history",
    "known_scores",
    "open_history",
    "replace_history",
    "restore_history",
]

Action = Literal["promote", "rollback", "undo"]

_LONGEST = 5500  # MLflow takes 6000 characters
_KEPT_VERSIONS = 200


@dataclass(frozen=True)
class Entry:
    """One change of what is in production.

    `stack` is the way back: the versions that were in production before, oldest first, and at its
    end the one that is now; empty when nothing is.
    """

    number: int
    action: Action
    stack: tuple[int, ...]
    was: int | None
    """The version in production before."""
    when: str
    """UTC, ISO 8601."""
    who: str
    why: str
    forced: bool = False
    weak: bool = False
    numbers: dict[str, float] = field(default_factory=dict)
    """Y-PSNR in dB on the gate set of the version in production since (`now`) and `was`."""
    decision: str = ""
    """The id of the gate's decision that it follows; empty for a way back."""
    gate_set: str = ""
    """SHA-256 of the set that `numbers` were measured on; empty where that is not known."""
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Makes any two entries differ: of the same one the store would let both through."""

    @property
    def version(self) -> int | None:
        """The version in production since."""
        return self.stack[-1] if self.stack else None

    @property
    def previous(self) -> int | None:
        """The version that a rollback brings back."""
        return self.stack[-2] if len(self.stack) > 1 else None


_NOTHING = Entry(0, "promote", (), None, "", "", "")


class History:
    """The entries of one registered model, as last read."""

    def __init__(self, registry: Registry, name: str, run_id: str) -> None:
        self._registry, self.name, self.run_id = registry, name, run_id
        self.entries: list[Entry] = []
        self.read()

    def read(self) -> Entry:
        """Read all entries anew; returns the last, which says what is in production now.

        Raises `KdsharpError` where the history was deleted.
        """
        run = read_run(self._registry, self.run_id)
        if run is None or run.info.lifecycle_stage == "deleted":
            raise KdsharpError(
                f"the history of {self.name} was deleted in MLflow: python -m pipeline repair "
                f"--model {self.name}"
            )
        params = run.data.params
        keys = sorted((key for key in params if key.isdigit()), key=int)
        self.entries = [_entry(self.name, key, params[key]) for key in keys]
        return self.last

    @property
    def last(self) -> Entry:
        """What is in production now; number 0 and no version where nothing ever was."""
        return self.entries[-1] if self.entries else _NOTHING

    def append(self, entry: Entry) -> None:
        """Write `entry`, which must follow the last one that was read.

        Raises `TransientError` when somebody else wrote that number first, `KdsharpError` when the
        history was deleted or takes no entry: nothing has changed.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._registry.client.log_param(self.run_id, f"{entry.number:04d}", _text(entry))
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            now = self.read()
            if now.number < entry.number:
                why = " ".join(str(error).split())
                raise KdsharpError(
                    f"the history of {self.name} takes no entry ({why}): nothing was changed"
                ) from None
            raise TransientError(
                f"{self.name}: version {now.version} was put into production meanwhile by "
                f"{now.who}: nothing was changed; look at python -m pipeline status, "
                "then run the same command again"
            ) from None
        self.entries.append(entry)


def find_history(registry: Registry, name: str) -> History:
    """The history of `name`; `UserError` where that is not registered."""
    run_id = find_run_id(registry, name)
    if run_id is None:
        raise UserError(f"{name} is not registered: python -m pipeline register")
    return History(registry, name, run_id)


def open_history(registry: Registry, name: str) -> History:
    """The history of `name`; makes the registered model and its history where they are missing."""
    from mlflow.exceptions import MlflowException

    found = find_run_id(registry, name)
    if found is not None:
        return History(registry, name, found)
    run_id = make_run(registry, name)
    try:
        # The name can be taken once: with it the history is settled for everybody.
        registry.client.create_registered_model(name, {TAG: run_id}, about(name))
    except MlflowException as error:
        registry.client.delete_run(run_id)
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return find_history(registry, name)


def restore_history(registry: Registry, name: str) -> tuple[History | None, str]:
    """The history of `name`, restored where its run was deleted; None where that is gone for good.

    And what was done, in a few words.
    """
    run_id = find_run_id(registry, name)
    run = None if run_id is None else read_run(registry, run_id)
    if run_id is None or run is None:
        return None, "gone"
    if run.info.lifecycle_stage != "deleted":
        return History(registry, name, run_id), "sound"
    restore_run(registry, run)
    return History(registry, name, run_id), "restored"


def replace_history(registry: Registry, name: str, entries: Sequence[Entry]) -> History:
    """A new history of `name` with `entries`, instead of one that is gone for good."""
    history = History(registry, name, make_run(registry, name))
    for entry in entries:
        history.append(entry)
    registry.client.set_registered_model_tag(name, TAG, history.run_id)
    return history


def known_scores(entries: Sequence[Entry], gate_set: str | None = None) -> dict[int, float]:
    """Version -> the Y-PSNR that it had on the gate set when it was last compared.

    With `gate_set`, the SHA-256 of one, only what was measured on that.
    """
    scores: dict[int, float] = {}
    for entry in entries:
        if gate_set is not None and entry.gate_set != gate_set:
            continue
        for number, key in ((entry.version, "now"), (entry.was, "was")):
            if number is not None and key in entry.numbers and entry.action == "promote":
                scores[number] = entry.numbers[key]
    return scores


def _text(entry: Entry) -> str:
    values = asdict(entry)
    # The first stays: it is an anchor.
    whole, last = entry.stack, entry.stack[1 - _KEPT_VERSIONS :]
    values["stack"] = whole if len(whole) <= _KEPT_VERSIONS else (whole[0], *last)
    del values["number"]
    text = json.dumps(values, ensure_ascii=False)
    while len(text) > _LONGEST and values["why"]:
        values["why"] = values["why"][: len(values["why"]) // 2] + "…"
        if values["why"] == "…":
            values["why"] = ""
        text = json.dumps(values, ensure_ascii=False)
    return text


def _entry(name: str, key: str, text: str) -> Entry:
    try:
        values = json.loads(text)
        values["stack"] = tuple(values["stack"])
        return Entry(number=int(key), **values)
    except (ValueError, TypeError, KeyError) as error:
        raise KdsharpError(
            f"entry {key} of the history of {name} cannot be read ({error})"
        ) from None
