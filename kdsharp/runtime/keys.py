"""The keys of a JSON object that comes from elsewhere, each read and checked once."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kdsharp.errors import UserError

__all__ = ["Keys", "is_count", "is_digest", "is_finite", "is_plain_name"]


class Keys:
    """Of the object `value` in the file `path`; `prefix` is where in it that stands, as `int8.`.

    What is wrong raises `UserError`, one line with the file and the key. `done` refuses the rest.
    """

    def __init__(self, path: Path, value: Any, prefix: str = "") -> None:
        self.path, self.prefix = path, prefix
        if not isinstance(value, dict):
            raise UserError(f"{path}: {prefix.rstrip('.') or 'the card'} must be an object")
        self.left = dict(value)

    def get(self, key: str, expected: str, valid: Callable[[Any], bool]) -> Any:
        """The value of `key`, if it is `valid`; `expected` says what that is."""
        if key not in self.left:
            raise UserError(f"{self.path}: {self.prefix}{key} is missing")
        value = self.left.pop(key)
        if not valid(value):
            raise UserError(
                f"{self.path}: {self.prefix}{key} must be {expected}, not {value!r:.60}"
            )
        return value

    def text(self, key: str) -> str:
        """A text that is not empty."""
        return str(self.get(key, "a non-empty text", lambda v: isinstance(v, str) and v != ""))

    def one_of(self, key: str, *choices: Any) -> Any:
        """One of `choices`."""
        expected = " or ".join("null" if choice is None else str(choice) for choice in choices)
        return self.get(key, expected, lambda v: not isinstance(v, bool) and v in choices)

    def whole(self, key: str, least: int) -> int:
        """A whole number from `least`."""
        return int(self.get(key, f"a whole number >= {least}", lambda v: _int(v) and v >= least))

    def list(self, key: str) -> Sequence[Any]:
        """A list; its items are not checked."""
        found: Sequence[Any] = self.get(key, "a list", lambda v: isinstance(v, list))
        return found

    def object(self, key: str) -> dict[str, Any]:
        """An object; its keys are not checked."""
        return dict(self.get(key, "an object", lambda v: isinstance(v, dict)))

    def object_or_null(self, key: str) -> dict[str, Any] | None:
        """The same, or None."""
        found = self.get(key, "null or an object", lambda v: v is None or isinstance(v, dict))
        return None if found is None else dict(found)

    def number(self, key: str) -> float:
        """A finite number."""
        return float(self.get(key, "a finite number", is_finite))

    def done(self) -> None:
        """Refuse what nobody has asked for."""
        if self.left:
            raise UserError(f"{self.path}: {self.prefix}{next(iter(self.left))} is an unknown key")


def _int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_finite(value: Any) -> bool:
    """A number, but neither an infinity nor NaN."""
    return _int(value) or (isinstance(value, float) and math.isfinite(value))


def is_count(value: Any) -> bool:
    """A number from 0."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def is_digest(value: Any) -> bool:
    """A SHA-256, in lower case."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def is_plain_name(value: Any) -> bool:
    """A name inside the folder: a card from elsewhere must not reach other files."""
    return (
        isinstance(value, str) and value not in ("", ".", "..") and not set(value) & set("/\\\0:")
    )
