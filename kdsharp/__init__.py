"""Sharpen pictures in real time on an ordinary CPU, with a tiny network."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdsharp.auto import AutoSharpener
    from kdsharp.sharpen import Sharpener

__all__ = ["AutoSharpener", "Sharpener", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # `import kdsharp` stays cheap: numpy and Pillow load with the first Sharpener (PEP 562).
    if name == "Sharpener":
        from kdsharp.sharpen import Sharpener

        return Sharpener
    if name == "AutoSharpener":
        from kdsharp.auto import AutoSharpener

        return AutoSharpener
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
