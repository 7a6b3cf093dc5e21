"""What can be chosen about training, as frozen objects.

`annotated_types` says the valid range of each number; whoever reads them from a file (here
`pipeline.params`, through pydantic) checks it and refuses keys that are not listed.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

__all__ = ["FeatureMatch", "LoopConfig", "PatchesConfig", "StudentConfig", "TeacherConfig"]

Positive = Annotated[int, Ge(1)]
Kernel = Literal[1, 3, 5, 7, 9, 11]
FeatureMatch = Literal["projection", "affinity"]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
RESNET18_SHA256, SWIN_T_SHA256 = "f37072fd", "704ceda3"
"""First digits of the SHA-256 of torchvision's files."""
LATER = {"later": True}
"""Of fields that came after the first files: at their default they are not written into a file,
so that what does not use them keeps its bytes. Such a default must never change."""
STRICT: dict[str, Any] = {"extra": "forbid", "allow_inf_nan": False}


@dataclass(frozen=True)
class PatchesConfig:
    """How pairs of patches are cut from photos."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    size: Annotated[int, Ge(16), Le(1024)] = 128
    train: Positive = 800
    val: Positive = 48
    unlabelled: Annotated[int, Ge(0)] = 0
    min_detail: Annotated[float, Ge(0), Le(255)] = 3.0
    tries: Annotated[int, Ge(1), Le(100)] = 4
    workers: Annotated[int, Ge(0), Le(256)] = 0
    seed: Seed = 1


@dataclass(frozen=True)
class LoopConfig:
    """The training loop of teacher and student alike."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    epochs: Positive = 10
    passes: Positive = 1
    batch_size: Positive = 4
    crop: Annotated[int, Ge(0), Le(1024)] = 0
    optimizer: Literal["adam", "soap"] = "adam"
    basis: Annotated[int, Ge(0), Le(8192)] = 320
    lr: Annotated[float, Gt(0), Le(1)] = 1e-3
    loss: Literal["mse", "l1", "charbonnier"] = "mse"
    mse_share: Annotated[float, Ge(0), Le(1)] = 0.0
    warmup_steps: Annotated[int, Ge(0)] = 30
    ema: Annotated[float, Ge(0), Le(0.99999)] = 0.99
    clip: Annotated[float, Gt(0)] = 0.01
    checkpoint_minutes: Annotated[float, Ge(0)] = 1.0
    processes: Annotated[int, Ge(1), Le(64)] = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    seed: Seed = 1


@dataclass(frozen=True)
class TeacherConfig:
    """The teacher. `window` is of the arch `swin` alone."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    arch: Literal["resnet18", "swin"] = field(default="resnet18", metadata=LATER)
    pretrained: bool = False
    weights: str | None = None
    weights_sha256: str = RESNET18_SHA256
    depth: Literal[1, 2, 3, 4] = 2
    shrink: Literal[1, 2] = 2
    width: Annotated[int, Ge(8), Le(512)] = 32
    body: Annotated[int, Ge(0), Le(64)] = 8
    window: Annotated[int, Ge(2), Le(32)] = field(default=4, metadata=LATER)
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        if self.arch == "swin" and self.weights and self.weights_sha256 == RESNET18_SHA256:
            raise ValueError(
                f"weights_sha256 {RESNET18_SHA256} is that of torchvision's ResNet18; "
                f"the file of its Swin-T begins with {SWIN_T_SHA256}"
            )


@dataclass(frozen=True)
class StudentConfig:
    """The three-conv student and what it learns from."""

    __pydantic_config__: ClassVar[dict[str, Any]] = STRICT
    channels: Annotated[int, Ge(4), Le(512)] = 32
    kernels: tuple[Kernel, Kernel, Kernel] = (3, 3, 3)
    grid: Literal[1, 2, 3, 4] = 2
    color: Literal["luma", "rgb"] = "luma"
    expansion: Annotated[int, Ge(0), Le(4096)] = 0
    teacher_weight: Annotated[float, Ge(0)] = 1.0
    truth_weight: Annotated[float, Ge(0)] = 0.0
    feature_weight: Annotated[float, Ge(0)] = 0.0
    feature_match: FeatureMatch = "projection"
    ensemble: bool = False
    loop: LoopConfig = field(default_factory=LoopConfig)

    def __post_init__(self) -> None:
        if self.teacher_weight + self.truth_weight <= 0:
            raise ValueError("teacher_weight and truth_weight are both 0: nothing to learn from")
        if self.feature_weight and self.grid != 2:
            raise ValueError("feature_weight needs grid 2, the grid of the teacher's features")

    @property
    def needs_teacher(self) -> bool:
        """Whether anything of the loss comes from the teacher."""
        return self.teacher_weight + self.feature_weight > 0
