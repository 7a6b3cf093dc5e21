"""What was decided about a candidate, with the evidence, as JSON that outlives this version."""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, Literal

from kdsharp.errors import UserError

__all__ = ["Against", "Check", "Decision"]

Against = Literal["incumbent", "input"]


@dataclass(frozen=True)
class Check:
    """One condition; `text` is a readable sentence with its numbers."""

    name: str
    passed: bool
    text: str


@dataclass(frozen=True)
class Decision:
    """`passed` if every check has passed.

    `weak`: few photos or crops, which by itself refuses nothing. `reason` is one line. `numbers`
    holds means, differences, intervals and costs of candidate, incumbent and input, JSON-able.
    """

    passed: bool
    weak: bool
    checks: tuple[Check, ...]
    numbers: dict[str, Any]
    gate_sha256: str
    against: Against
    reason: str

    def to_json(self) -> str:
        """Indented JSON with a newline at the end; the same decision gives the same text."""
        values = dataclasses.asdict(self)
        return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Decision":
        """The decision that `to_json` wrote; `UserError` for anything else."""
        try:
            values = json.loads(text)
            checks = tuple(Check(**check) for check in values.pop("checks"))
            return cls(checks=checks, **values)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise UserError(f"is no record of a decision: {error}") from None
