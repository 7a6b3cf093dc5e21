"""The students that ship: three sizes for each scale, and what a student is called."""

from kdsharp.train.config import StudentConfig

__all__ = ["KERNELS", "SCALES", "WIDTHS", "name_of", "size_of"]

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


def size_of(config: StudentConfig, scale: int) -> str | None:
    """The size of a student for `scale`, by its channels and grid; None if it is no member.

    Kernels and colour do not matter: a member in RGB has the same size.
    """
    sizes = {widths.get(scale): size for size, widths in WIDTHS.items()}
    return sizes.get(config.channels) if config.grid == scale else None


def name_of(config: StudentConfig, scale: int) -> str:
    """`small-x2`, `nano-x3-rgb`; by its channels where it is no member: `c24-x2`."""
    size = size_of(config, scale) or f"c{config.channels}"
    return f"{size}-x{scale}" + ("-rgb" if config.color == "rgb" else "")
