"""Sharpen video files, and live video from a camera or a stream."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdsharp.video.convert import sharpen_video
    from kdsharp.video.options import VIDEO_SUFFIXES, VideoOptions, VideoResult

__all__ = ["VIDEO_SUFFIXES", "VideoOptions", "VideoResult", "sharpen_video"]


def __getattr__(name: str) -> Any:
    # The suffixes cost nothing; numpy comes with the first frame (PEP 562).
    if name == "sharpen_video":
        from kdsharp.video.convert import sharpen_video

        return sharpen_video
    if name in __all__:
        from kdsharp.video import options

        return getattr(options, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
