"""The values of a step: what is allowed, what was written, and one drawn from that."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Choice", "Number", "Span", "Words"]


@dataclass(frozen=True)
class Span:
    """A number from `low` to `high`, evenly; both ends belong to it."""

    low: float
    high: float
    whole: bool = False

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to draw."""
        return self.low == self.high

    def draw(self, random: np.random.Generator) -> float:
        """One of them; an int where they are `whole`."""
        if self.whole:
            low, high = int(self.low), int(self.high)
            return low if self.fixed else int(random.integers(low, high, endpoint=True))
        return self.low if self.fixed else float(random.uniform(self.low, self.high))


@dataclass(frozen=True)
class Choice:
    """One of some words, each as likely."""

    words: tuple[str, ...]

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to draw."""
        return len(self.words) == 1

    def draw(self, random: np.random.Generator) -> str:
        """One of them."""
        return self.words[0] if self.fixed else self.words[int(random.integers(len(self.words)))]


@dataclass(frozen=True)
class Number:
    """A number within `low` to `high`; `default` is drawn from when nothing is written.

    A default of None is the scale of the whole recipe. `shown`: whether it is shown to people.
    """

    low: float
    high: float
    default: tuple[float, float] | None
    whole: bool = False
    shown: bool = True

    def read(self, value: Any) -> Span:
        """A number, or `[from, to]`; raises `ValueError` that says what is wrong."""
        ends = value if isinstance(value, list | tuple) else [value, value]
        if len(ends) != 2 or not all(self._is_number(end) for end in ends):
            numbers = "whole numbers" if self.whole else "numbers"
            raise ValueError(f"is {value!r}: write a number, or [from, to] in {numbers}")
        low, high = ends
        if low > high:
            raise ValueError(f"is {value!r}: the range is empty")
        if low < self.low or high > self.high:
            raise ValueError(f"is {value!r}: must lie between {self.low:g} and {self.high:g}")
        return Span(low, high, self.whole)

    def preset(self) -> Span | None:
        """What is drawn from when nothing is written."""
        return Span(*self.default, self.whole) if self.default else None

    def _is_number(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return math.isfinite(value) and (not self.whole or value == int(value))


@dataclass(frozen=True)
class Words:
    """One or several of `known`; `default` is drawn from when nothing is written."""

    known: tuple[str, ...]
    default: tuple[str, ...]
    shown: bool = True

    def read(self, value: Any) -> Choice:
        """A word, or a list of them; raises `ValueError` that says what is wrong."""
        words = value if isinstance(value, list | tuple) else [value]
        for word in words:
            if word not in self.known:
                raise ValueError(f"is {word!r}: choose from {', '.join(self.known)}")
        if not words:
            raise ValueError("is an empty list")
        return Choice(tuple(words))

    def preset(self) -> Choice:
        """What is drawn from when nothing is written."""
        return Choice(self.default)
