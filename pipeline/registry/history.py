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
from pipeline.registry.connect import Registry

__all__ = ["Action", "Entry", "History", "find_history", "known_scores", "open_history"]

Action = Literal["promote", "rollback", "undo"]

_TAG = "kdsharp.history"
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
        """Read all entries anew; returns the last, which says what is in production now."""
        params = self._registry.client.get_run(self.run_id).data.params
        self.entries = [
            _entry(self.name, key, params[key]) for key in sorted(params) if key.isdigit()
        ]
        return self.last

    @property
    def last(self) -> Entry:
        """What is in production now; number 0 and no version where nothing ever was."""
        return self.entries[-1] if self.entries else _NOTHING

    def append(self, entry: Entry) -> None:
        """Write `entry`, which must follow the last one that was read.

        Raises `TransientError` when somebody else wrote that number first: nothing has changed.
        """
        from mlflow.exceptions import MlflowException

        try:
            self._registry.client.log_param(self.run_id, f"{entry.number:04d}", _text(entry))
        except MlflowException as error:
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise
            now = self.read()
            raise TransientError(
                f"{self.name}: version {now.version} was put into production meanwhile by "
                f"{now.who}: nothing was changed; look at python -m pipeline status, "
                "then run the same command again"
            ) from None
        self.entries.append(entry)


def find_history(registry: Registry, name: str) -> History:
    """The history of `name`; `UserError` where that is not registered."""
    from mlflow.exceptions import MlflowException

    try:
        return _existing(registry, name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    raise UserError(f"{name} is not registered: python -m pipeline register")


def open_history(registry: Registry, name: str) -> History:
    """The history of `name`; makes the registered model and its history where they are missing."""
    from mlflow.exceptions import MlflowException

    try:
        return _existing(registry, name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    run_id = _new_run(registry, name)
    try:
        # The name can be taken once: with it the history is settled for everybody.
        registry.client.create_registered_model(name, {_TAG: run_id}, _about(name))
    except MlflowException as error:
        registry.client.delete_run(run_id)
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return _existing(registry, name)


def known_scores(entries: Sequence[Entry]) -> dict[int, float]:
    """Version -> the Y-PSNR that it had on the gate set when it was last compared."""
    scores: dict[int, float] = {}
    for entry in entries:
        for number, key in ((entry.version, "now"), (entry.was, "was")):
            if number is not None and key in entry.numbers and entry.action == "promote":
                scores[number] = entry.numbers[key]
    return scores


def _existing(registry: Registry, name: str) -> History:
    model = registry.client.get_registered_model(name)
    run_id = model.tags.get(_TAG)
    if not run_id:  # made by hand, in MLflow's pages
        run_id = _new_run(registry, name)
        registry.client.set_registered_model_tag(name, _TAG, run_id)
    return History(registry, name, run_id)


def _new_run(registry: Registry, name: str) -> str:
    run = registry.client.create_run(
        registry.experiment,
        tags={"kdsharp.stage": "history", "kdsharp.model": name},
        run_name=f"history of {name}",
    )
    run_id = str(run.info.run_id)
    registry.client.set_terminated(run_id, "FINISHED")
    return run_id


def _about(name: str) -> str:
    return (
        f"Versions of `{name}`. The alias `production` is in use, `previous` is what a rollback "
        "brings back, `candidate` is next. Change them with `python -m pipeline promote` and "
        f"`rollback`; the run `history of {name}` says who did, when and why."
    )


def _text(entry: Entry) -> str:
    values = asdict(entry)
    values["stack"] = entry.stack[-_KEPT_VERSIONS:]
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
