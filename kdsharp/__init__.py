"""Sharpen pictures in real time on an ordinary CPU, with a tiny network."""

from typing import TYPE_CHECKING, Any

from kdsharp.moved import MOVED, announce

if TYPE_CHECKING:
    from kdsharp.sharpening.sharpener import Sharpener

__all__ = ["Sharpener", "__version__"]

__version__ = "0.2.0"

announce(MOVED)


def __getattr__(name: str) -> Any:
    # `import kdsharp` stays cheap: numpy and Pillow load with the first Sharpener (PEP 562).
    if name == "Sharpener":
        from kdsharp.sharpening.sharpener import Sharpener

        return Sharpener
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
