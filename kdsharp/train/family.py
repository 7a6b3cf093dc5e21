"""The students that ship: three sizes for each scale, and what a student is called."""

import re

from kdsharp.train.config import StudentConfig

__all__ = ["KERNELS", "PLAIN", "SCALES", "WIDTHS", "name_of", "size_of"]

WIDTHS = {
    "nano": {2: 16, 3: 24, 4: 24},
    "small": {2: 32, 3: 48, 4: 48},
    "large": {2: 64, 3: 80, 4: 72},
}
"""Channels by size and scale. The grid is as coarse as the scale, so that the same channels cost
less at a larger one. None takes more than 300 KB on disk."""

SCALES = (2, 3, 4)
"""Of the degradation, and of the grid that a member of the family works on."""

KERNELS = (3, 3, 3)
"""Of every member."""

PLAIN = "bicubic"
"""The degradation that no name has to mention."""


def size_of(config: StudentConfig, scale: int) -> str | None:
    """The size of a student for `scale`, by its channels and grid; None if it is no member.

    Kernels and colour do not matter: a member in RGB has the same size.
    """
    sizes = {widths.get(scale): size for size, widths in WIDTHS.items()}
    return sizes.get(config.channels) if config.grid == scale else None


def name_of(config: StudentConfig, scale: int, recipe: str = PLAIN) -> str:
    """`small-x2`, `nano-x3-rgb`; by its channels where it is no member: `c24-x2`.

    `recipe` is the name of that of the degradation, of which letters and figures are taken:
    `small-x2-robust`.
    """
    size = size_of(config, scale) or f"c{config.channels}"
    color = "-rgb" if config.color == "rgb" else ""
    return f"{size}-x{scale}{color}" + (f"-{_word(recipe)}" if recipe != PLAIN else "")


def _word(recipe: str) -> str:
    """As names of files and of registered models may be."""
    return re.sub(r"[^A-Za-z0-9]+", "-", recipe).strip("-") or "own"
