"""What the user may choose about a video, checked when it is made."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from kdsharp.errors import UserError

__all__ = ["CODECS", "DROPPABLE", "VIDEO_SUFFIXES", "Codec", "VideoOptions", "VideoResult"]

VIDEO_SUFFIXES = frozenset(
    (
        *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg"),
        *(".mts", ".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv"),
    )
)
"""Names that end so are taken for videos; whether they are is up to FFmpeg."""


@dataclass(frozen=True)
class Codec:
    """How FFmpeg calls an encoder, and what it takes.

    `crf` is the default quality, None if the encoder has no such scale; `own` is FFmpeg's name for
    the encoder's own parameters, None if it has no place for those of HDR;
    `even` says that 4:2:0 needs even sides; `quick` is the preset for real time, if another.
    """

    encoder: str
    crf: int | None
    highest_crf: int
    presets: tuple[str, ...]
    preset: str | None
    own: str | None = None
    even: bool = False
    quick: str | None = None


_X26X = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium"),
    *("slow", "slower", "veryslow", "placebo"),
)

CODECS: Mapping[str, Codec] = {
    "h264": Codec("libx264", 23, 51, _X26X, "veryfast", "x264-params", True, "superfast"),
    "hevc": Codec("libx265", 25, 51, _X26X, "veryfast", "x265-params", True, "superfast"),
    "av1": Codec("libsvtav1", 28, 63, tuple(map(str, range(14))), "9", "svtav1-params", quick="12"),
    "vp9": Codec("libvpx-vp9", 30, 63, ("realtime", "good", "best"), "realtime"),
    "ffv1": Codec("ffv1", None, 0, (), None),
}
"""Every codec that can be written, by the name a person uses."""

_ANY = "h264"  # what every player plays; for depth there is another where the file can hold it
_PLAIN: Mapping[str, str] = {"webm": "vp9"}
_DEEP: Mapping[str, str] = {
    **dict.fromkeys(("mp4", "mov", "matroska", "mpegts"), "hevc"),
    "webm": "av1",  # our VP9 has 8 bits alone
}

DROPPABLE: Mapping[str, str] = {
    "audio": "every audio track",
    "subtitles": "every subtitle track",
    "data": "tracks of data, such as timecode and GPS",
    "attachments": "attached files, such as fonts",
    "pictures": "further video tracks, such as cover art",
    "chapters": "chapters",
    "rotation": "the mark that the picture is to be turned",
    "alpha": "transparency",
    "hdr": "the marks of HDR10: mastering display and light levels",
    "dynamic-hdr": "Dolby Vision, HDR10+ and HDR Vivid",
    "spherical": "the mark of 360-degree video",
    "stereo-3d": "the mark of stereo video",
}
"""What may be left out of the output where it cannot be kept, by the name a person uses."""


@dataclass(frozen=True)
class VideoOptions:
    """How to write a video.

    `codec` is one of `CODECS`, None for the one that suits the kind of file and the depth of the
    source (`settled`); `crf` is the quality, lower is better, None for the codec's own default;
    `preset` is the encoder's, None for a fast one; `drop` are names of `DROPPABLE`; `upscale` is
    how many times (2, 3 or 4) the pictures are enlarged, None for not at all; `steady` keeps from
    flickering what stands still; `realtime` takes a quick preset, and smaller models where the
    processor is too slow for the video's own rate. Raises `UserError` for any other value.
    """

    codec: str | None = None
    crf: int | None = None
    preset: str | None = None
    drop: frozenset[str] = frozenset()
    upscale: int | None = None
    steady: bool = True
    realtime: bool = False

    def __post_init__(self) -> None:
        if self.codec is not None and self.codec not in CODECS:
            raise UserError(f"codec {self.codec!r} is unknown: choose {' or '.join(CODECS)}")
        # Without a codec the values are checked again once there is one, by `settled`.
        name = self.codec or _ANY
        chosen = CODECS[name]
        if self.preset is not None and self.preset not in _presets(self.codec):
            known = ", ".join(chosen.presets) or "none"
            raise UserError(f"{name} has no preset {self.preset!r}: choose from {known}")
        if self.crf is not None and not (chosen.crf and 0 <= self.crf <= _highest(self.codec)):
            scale = f"0 to {chosen.highest_crf}" if chosen.crf else "none, it is lossless"
            raise UserError(f"{name} has no CRF {self.crf}: {scale}")
        if self.upscale not in (None, 2, 3, 4):
            raise UserError(f"a video is enlarged 2, 3 or 4 times, not {self.upscale}")
        if unknown := sorted(self.drop - DROPPABLE.keys()):
            raise UserError(f"{unknown[0]!r} cannot be dropped: choose from {', '.join(DROPPABLE)}")

    def settled(self, container: str, depth: int) -> "VideoOptions":
        """With a codec: for a file of FFmpeg's format `container`, of `depth` bits a value.

        H.264 plays everywhere; WebM takes VP9, and more than 8 bits go to HEVC, in WebM to AV1,
        where the file can hold it. Raises `UserError` for a quality or a preset that it lacks.
        """
        if self.codec is not None:
            return self
        suited = _PLAIN if depth <= 8 else _DEEP
        return dataclasses.replace(self, codec=suited.get(container, _ANY))

    @property
    def rewrites_nothing(self) -> bool:
        """Whether nothing is asked for that a copy of the video would not have."""
        return dataclasses.replace(self, steady=True, realtime=False) == VideoOptions()

    @property
    def chosen(self) -> Codec:
        """The codec, of which there must be one (`settled`)."""
        assert self.codec is not None
        return CODECS[self.codec]

    def encoder_options(self, hdr: str | None = None) -> dict[str, str]:
        """FFmpeg's options for the encoder; `hdr` are the parameters of `kdsharp.video.formats`.

        There must be a codec (`settled`).
        """
        codec, options = self.chosen, dict(_FIXED.get(str(self.codec), {}))
        crf = codec.crf if self.crf is None else self.crf
        if crf is not None:
            options["crf"] = str(crf)
        usual = codec.quick or codec.preset if self.realtime else codec.preset
        if preset := self.preset or usual:
            options["deadline" if self.codec == "vp9" else "preset"] = preset
            options |= _VP9_SPEED.get(preset, {})
        if hdr and codec.own:
            options[codec.own] = ":".join(filter(None, (options.get(codec.own), hdr)))
        return options


def _presets(codec: str | None) -> set[str]:
    codecs = CODECS.values() if codec is None else [CODECS[codec]]
    return {preset for one in codecs for preset in one.presets}


def _highest(codec: str | None) -> int:
    codecs = CODECS.values() if codec is None else [CODECS[codec]]
    return max(one.highest_crf for one in codecs)


# Without it libvpx is 20 times as slow, for 0.4 dB and a sixth of the size.
_VP9_SPEED: Mapping[str, Mapping[str, str]] = {
    "realtime": {"cpu-used": "6"},
    "good": {"cpu-used": "4"},
}

_FIXED: Mapping[str, Mapping[str, str]] = {
    "hevc": {"x265-params": "log-level=none"},
    "vp9": {"row-mt": "1", "b": "0"},
    "ffv1": {"level": "3", "slicecrc": "1"},  # damage is found when it is read
}
"""Options of the encoders that nobody needs to choose."""


@dataclass(frozen=True)
class VideoResult:
    """The outcome for a video: how many frames were written, none if it was copied.

    `damage` is one line that says what was wrong with the source; None if nothing was. `model` is
    the name of the one that most frames got; None: none was expected to help, and if `crisp`, how
    much they were crispened, is 0, its pictures are what they were. `parts` are all of them in
    order: the model, or None, and for how many frames.
    """

    frames: int
    damage: str | None = None
    model: str | None = None
    crisp: float = 0.0
    parts: tuple[tuple[str | None, int], ...] = ()
