"""The options of a video that is written."""

from typing import Annotated

import typer

__all__ = ["Codec", "Crf", "Drop", "Preset", "names_of"]

Codec = Annotated[str, typer.Option(help="Of a video: h264, hevc, av1, vp9 or ffv1 (lossless).")]
Crf = Annotated[
    int | None,
    typer.Option(help="Of a video: its quality, lower is better and larger; 23 with h264."),
]
Preset = Annotated[
    str | None, typer.Option(help="Of a video: the encoder's, slower is smaller; veryfast in h264.")
]
Drop = Annotated[
    str,
    typer.Option(
        metavar="WHAT,...",
        help="Of a video: what to leave out where the output cannot hold it, such as subtitles.",
    ),
]


def names_of(listed: str) -> frozenset[str]:
    """The names in a list with commas."""
    return frozenset(name.strip() for name in listed.split(",") if name.strip())
