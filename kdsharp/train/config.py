"""The settings of training, as frozen objects, and the names of its results.

`annotated_types` says the valid range of each number; whoever reads them from a file (here
`pipeline.params`, through pydantic) checks it and refuses keys that are not listed.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from kdsharp.runtime.catalog import PLAIN, size_by

__all__ = [
    "KERNELS",
    "SPANDREL",
    "UNTRAINED",
    "FeatureMatch",
    "LoopConfig",
    "PatchesConfig",
    "Precision",
    "StudentConfig",
    "TeacherConfig",
    "current_names",
    "student_name",
    "student_size",
]

Positive = Annotated[int, Ge(1)]
Kernel = Literal[1, 3, 5, 7, 9, 11]
Color = Literal["luma", "rgb"]
FeatureMatch = Literal["projection", "affinity"]
Precision = Literal["auto", "fp32", "bf16"]
TeacherArch = Literal["resnet18", "swin", "none", "spandrel", "file"]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
UNTRAINED = ("spandrel", "file")
"""The archs of teachers that are taken from a file as they are."""
SPANDREL = "spandrel"
"""The arch of a teacher that is another's network, opened by the package of that name."""
RESNET18_SHA256, SWIN_T_SHA256 = "f37072fd", "704ceda3"
"""First digits of the SHA-256 of torchvision's files."""
LATER = {"later": True}
"""Of fields that came after the first files: at their default they are not written into a file,
so that what does not use them keeps its bytes. Such a default must never change."""
STRICT: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}

RENAMED: Mapping[str, str] = {
    "basis": "max_precond_dim",
    "body": "num_blocks",
    "clip": "grad_clip_norm",
    "grid": "unshuffle_factor",
    "passes": "repeats",
}
"""Fields by the names that they had in the files of earlier versions."""

KERNELS = (3, 3, 3)
"""Of every member."""


@dataclass(frozen=True)
class PatchesConfig:
    """How pairs of patches are cut from photos.

    `shifted` is the share of patches on which the grid of the degradation begins anywhere, and
    `drawings` that of patches of drawings and text, which are made and not cut from photos.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    size: Annotated[int, Ge(16), Le(1024)] = 128
    train: Positive = 800
    val: Positive = 48
    unlabelled: Annotated[int, Ge(0)] = 0
    shifted: Annotated[float, Ge(0), Le(1)] = field(default=0.0, metadata=LATER)
    drawings: Annotated[float, Ge(0), Le(0.9)] = field(default=0.0, metadata=LATER)
    min_detail: Annotated[float, Ge(0), Le(255)] = 3.0
    tries: Annotated[int, Ge(1), Le(100)] = 4
    workers: Annotated[int, Ge(0), Le(256)] = 0
    seed: Seed = 1


@dataclass(frozen=True)
class LoopConfig:
    """The training loop of teacher and student alike.

    `late_loss` is that of the last `mse_share` of the steps.
    `precision` is that of the products: with `bf16` both factors are rounded to bfloat16, weights
    and their sums stay as they are; `auto` is `bf16` where the device is quicker with it.

    `threads` of the CPU are shared by the processes of a machine; 0 leaves the number to torch. The
    bytes depend on it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    epochs: Positive = 10
    repeats: Positive = 1
    batch_size: Positive = 4
    crop: Annotated[int, Ge(0), Le(1024)] = 0
    optimizer: Literal["adam", "soap"] = "adam"
    max_precond_dim: Annotated[int, Ge(0), Le(8192)] = 320
    lr: Annotated[float, Gt(0), Le(1)] = 1e-3
    loss: Literal["mse", "l1", "charbonnier", "psnr"] = "mse"
    mse_share: Annotated[float, Ge(0), Le(1)] = 0.0
    late_loss: Literal["mse", "psnr"] = field(default="mse", metadata=LATER)
    warmup_steps: Annotated[int, Ge(0)] = 30
    ema: Annotated[float, Ge(0), Le(0.99999)] = 0.99
    grad_clip_norm: Annotated[float, Gt(0)] = 0.01
    checkpoint_minutes: Annotated[float, Ge(0)] = 1.0
    processes: Annotated[int, Ge(1), Le(64)] = 1
    threads: Annotated[int, Ge(0), Le(1024)] = field(default=0, metadata=LATER)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = field(default="fp32", metadata=LATER)
    seed: Seed = 1


@dataclass(frozen=True)
class TeacherConfig:
    """The teacher. `window` is of the arch `swin` alone; `depth` and `shrink` are the encoder's.

    `pretrained` starts the encoder from ImageNet's weights, or all of it from those of the teacher
    of this project that is in the file `weights`. With the arch `file` that teacher is taken as it
    is; only `color` matters besides, and `loop.device`.

    With the arch `spandrel` it is the network in the file `weights`, whose licence is
    `weights_licence`; only `color` matters besides, and `loop.device`.

    `margin` is how many pixels at each side of a crop the loss leaves out: near them the teacher
    sees mostly what was made up.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    arch: TeacherArch = field(default="resnet18", metadata=LATER)
    pretrained: bool = False
    weights: str | None = None
    weights_sha256: str = RESNET18_SHA256
    weights_licence: str = field(default="not recorded", metadata=LATER)
    depth: Literal[1, 2, 3, 4] = 2
    shrink: Literal[1, 2] = 2
    width: Annotated[int, Ge(8), Le(512)] = 32
    num_blocks: Annotated[int, Ge(0), Le(64)] = 8
    slope: Annotated[float, Ge(0), Le(1)] = field(default=0.0, metadata=LATER)
    window: Annotated[int, Ge(2), Le(32)] = field(default=4, metadata=LATER)
    color: Color = field(default="rgb", metadata=LATER)
    margin: Annotated[int, Ge(0), Le(256)] = field(default=0, metadata=LATER)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        if self.loop.crop and self.loop.crop <= 2 * self.margin:
            raise ValueError(
                f"margin {self.margin} leaves nothing of loop.crop {self.loop.crop}: raise the crop"
            )
        if self.arch == "none" and self.pretrained and not self.weights:
            raise ValueError(
                "pretrained is true, but with arch none there is no encoder, and weights names no "
                "teacher to start from"
            )
        if self.arch == SPANDREL and self.pretrained:
            raise ValueError("pretrained is true, but with arch spandrel there is no encoder")
        if self.arch in UNTRAINED and not self.weights:
            raise ValueError(f"arch is {self.arch}, but weights names no file to open")
        if self.arch in UNTRAINED and self.weights_sha256 == RESNET18_SHA256:
            raise ValueError(
                f"weights_sha256 {RESNET18_SHA256} is that of torchvision's ResNet18: "
                f"write the first digits of sha256sum {self.weights}"
            )
        if self.arch == "swin" and self.weights and self.weights_sha256 == RESNET18_SHA256:
            raise ValueError(
                f"weights_sha256 {RESNET18_SHA256} is that of torchvision's ResNet18; "
                f"that of its Swin-T begins with {SWIN_T_SHA256}"
            )


@dataclass(frozen=True)
class StudentConfig:
    """The student, a chain of convolutions, and what it learns from.

    `kernels` are the sides of the first, of each hidden and of the last of `convs` convolutions.
    With a `mixture` there are so many sets of them, which a small network mixes for each picture.
    `harm_weight` is what decibels lost against the input cost besides, in the steps whose loss is
    `psnr`. `answer_margin` is how many pixels at each side of a patch the teacher's answers do not
    count: there it has seen too little of the picture.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    channels: Annotated[int, Ge(4), Le(512)] = 32
    convs: Annotated[int, Ge(3), Le(8)] = field(default=3, metadata=LATER)
    kernels: tuple[Kernel, Kernel, Kernel] = (3, 3, 3)
    unshuffle_factor: Literal[1, 2, 3, 4] = 2
    color: Color = "luma"
    expansion: Annotated[int, Ge(0), Le(4096)] = 0
    teacher_weight: Annotated[float, Ge(0)] = 1.0
    truth_weight: Annotated[float, Ge(0)] = 0.0
    feature_weight: Annotated[float, Ge(0)] = 0.0
    feature_match: FeatureMatch = "projection"
    ensemble: bool = False
    answer_margin: Annotated[int, Ge(0), Le(256)] = field(default=0, metadata=LATER)
    mixture: Annotated[int, Ge(0), Le(32)] = field(default=0, metadata=LATER)
    harm_weight: Annotated[float, Ge(0)] = field(default=0.0, metadata=LATER)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        margin = self.unshuffle_factor * sum(side // 2 for side in self.sides)
        if self.loop.crop and self.loop.crop <= 2 * margin:
            raise ValueError(
                f"loop.crop {self.loop.crop} leaves nothing to learn: kernels {self.sides} on "
                f"unshuffle_factor {self.unshuffle_factor} take {margin} pixels at each side of it"
            )
        if self.teacher_weight + self.truth_weight <= 0:
            raise ValueError("teacher_weight and truth_weight are both 0: nothing to learn from")
        if self.mixture and (self.color != "luma" or self.expansion or self.feature_weight):
            raise ValueError("mixture needs color luma, expansion 0 and feature_weight 0")
        if self.feature_weight and self.unshuffle_factor != 2:
            raise ValueError(
                "feature_weight needs unshuffle_factor 2, the grid of the teacher's features"
            )

    @property
    def sides(self) -> tuple[int, ...]:
        """The side of each kernel, first to last."""
        first, hidden, last = self.kernels
        return (first, *[hidden] * (self.convs - 2), last)

    @property
    def needs_teacher(self) -> bool:
        """Whether any part of the loss comes from the teacher."""
        return self.teacher_weight + self.feature_weight > 0


def current_names(written: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a config as a file has them, its loop's too, by the names of this version."""
    return {
        RENAMED.get(key, key): current_names(value) if isinstance(value, Mapping) else value
        for key, value in written.items()
    }


def student_size(config: StudentConfig, scale: int) -> str | None:
    """The size of a student for `scale`, by its convolutions, channels and grid, or None.

    Kernels and colour do not matter: a member in RGB has the same size.
    """
    size = size_by(config.convs, config.channels, scale)
    return size if config.unshuffle_factor == scale else None


def student_name(config: StudentConfig, scale: int, recipe: str = PLAIN) -> str:
    """`small-x2`, `nano-x3-rgb`; by its channels if it has no such size: `c24-x2`.

    More than three convolutions are said as well: `c24d5-x2` has five; and how many sets a mixture
    has: `small-x2-k8`.
    `recipe` is the name of the degradation's recipe, of which letters and digits are kept:
    `small-x2-robust`.
    """
    deep = f"d{config.convs}" if config.convs > 3 else ""
    size = student_size(config, scale) or f"c{config.channels}{deep}"
    color = "-rgb" if config.color == "rgb" else ""
    sets = f"-k{config.mixture}" if config.mixture else ""
    return f"{size}-x{scale}{color}{sets}" + (f"-{_word(recipe)}" if recipe != PLAIN else "")


def _word(recipe: str) -> str:
    """As names of files and of registered models may be."""
    return re.sub(r"[^A-Za-z0-9]+", "-", recipe).strip("-") or "own"
