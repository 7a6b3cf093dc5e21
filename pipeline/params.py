"""params.yaml as one frozen, typed object; unknown keys and wrong values are named."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError
from ruamel.yaml import YAML

from kdsharp.degrade import known_recipe
from kdsharp.degrade.recipes import Recipe
from kdsharp.errors import UserError
from kdsharp.train.config import UNTRAINED, PatchesConfig, StudentConfig, TeacherConfig
from pipeline.params_file import find_renamed, load_yaml
from pipeline.paths import PARAMS

__all__ = [
    "MOST_MIXED_IN",
    "DataParams",
    "DegradationParams",
    "Div2kParams",
    "EvaluateParams",
    "ExportParams",
    "FolderParams",
    "GateParams",
    "MonitorParams",
    "Params",
    "PromotionParams",
    "load_params",
]


MOST_MIXED_IN = 0.6
"""The largest share of the training patches that `degradation.mixed_in` may take."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_Share = Annotated[float, Gt(0), Lt(0.5)]
_Count = Annotated[int, Ge(1)]

_Reason = Literal["new data", "smaller", "faster"]

# Types of errors whose message says what is wrong with the key, or all there is to say.
_RECIPE, _CROP = "recipe", "crop"


class FolderParams(_Section):
    """A folder tree of photos."""

    path: str
    val: _Share
    test: _Share
    at_least: Annotated[int, Ge(3)]
    jpeg_shrink: Annotated[int, Ge(1), Le(8)]
    licence: Annotated[str, MinLen(1)]


class Div2kParams(_Section):
    """DIV2K's own archives."""

    mirror: str | None
    zips: str | None
    train: Annotated[int, Ge(1), Le(800)]
    val: Annotated[int, Ge(1), Le(50)]
    test: Annotated[int, Ge(1), Le(50)]


class DataParams(_Section):
    """Where photos come from."""

    source: Literal["sample", "folder", "div2k"]
    folder: FolderParams
    div2k: Div2kParams
    min_side: Annotated[int, Ge(16)]
    duplicate_distance: Annotated[int, Ge(0), Le(16)]


class DegradationParams(_Section):
    """What turns high quality into low quality."""

    name: str
    scale: Annotated[int, Ge(2), Le(4)]
    recipes: dict[str, Any] = {}
    mixed_in: dict[str, Annotated[float, Gt(0), Lt(1)]] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        try:
            for name in (self.name, *self.mixed_in):
                known_recipe(name, self.recipes)
        except UserError as error:
            raise PydanticCustomError(_RECIPE, "{line}", {"line": str(error)}) from None
        if (total := sum(self.mixed_in.values())) > MOST_MIXED_IN + 1e-9:
            line = (
                f"mixed_in adds up to {total:g}: at most {MOST_MIXED_IN:g}, or {self.name} is lost"
            )
            raise PydanticCustomError(_RECIPE, "{line}", {"line": line})
        return self

    @model_serializer(mode="wrap")
    def _without_nothing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without `mixed_in` where it is empty: older hashes and cards stay what they are."""
        values: dict[str, Any] = write(self)
        if not values.get("mixed_in"):
            values.pop("mixed_in", None)
        return values

    @property
    def recipe(self) -> Recipe:
        """The recipe `name`: what a model is for, and is judged on."""
        return known_recipe(self.name, self.recipes)

    @property
    def taught(self) -> Recipe:
        """What training patches go through: `recipe`, and those of `mixed_in` by their shares."""
        if not self.mixed_in:
            return self.recipe
        others = [known_recipe(name, self.recipes) for name in self.mixed_in]
        shares = tuple(self.mixed_in.values())
        return Recipe(self.name, [self.recipe, *others], (1 - sum(shares), *shares))


class ExportParams(_Section):
    """The model folder that consumers read."""

    name: str
    tolerance: Annotated[float, Gt(0), Le(0.01)]
    int8: bool
    calibration: _Count
    int8_loss_db: Annotated[float, Ge(0)]


class EvaluateParams(_Section):
    """Baselines, pictures, and photos never trained on."""

    unsharp_radius: Annotated[float, Gt(0), Le(10)]
    unsharp_percent: Annotated[int, Ge(1), Le(500)]
    panels: Annotated[int, Ge(0), Le(100)]
    photos: Annotated[int, Ge(2)] = 200
    seed: int = 1
    held_out: Annotated[str, MinLen(1)]


class GateParams(_Section):
    """The frozen set of crops that candidates are judged on."""

    folder: str | None
    crops: Annotated[int, Ge(1)]
    size: Annotated[int, Ge(32)]
    photos: _Count = 200
    version: _Count
    seed: int


class PromotionParams(_Section):
    """What a candidate has to show, and who decides."""

    approval: Literal["auto", "manual"]
    approval_hours: Annotated[float, Gt(0), Le(24 * 30)]
    confidence: Annotated[float, Ge(0.5), Lt(1)]
    resamples: Annotated[int, Ge(100), Le(1_000_000)]
    margin_db: Annotated[float, Ge(0)]
    margin_ssim: Annotated[float, Ge(0)]
    worst_decile_db: Annotated[float, Ge(0)]
    ceiling_db: Annotated[float, Gt(20)]
    parity: Annotated[float, Gt(0), Le(0.01)]
    int8_loss_db: Annotated[float, Ge(0)] = 0.1
    latency_ratio: Annotated[float, Ge(1)]
    size_ratio: Annotated[float, Ge(1)]
    gap_percent: Annotated[float, Ge(0), Le(100)]
    reasons: tuple[Literal["new data", "smaller", "faster"], ...] = (
        "new data",
        "smaller",
        "faster",
    )
    enough_photos: _Count
    enough_crops: _Count
    weak: Literal["refuse", "ask", "accept"] = "ask"
    seed: int


class MonitorParams(_Section):
    """What follows from a verdict that alarms."""

    retrain: Literal["ask", "auto", "never"] = "ask"
    learns: Literal["own_model", "mixed_in"] = "own_model"
    cooldown_days: Annotated[float, Gt(0), Le(366)] = 14
    shadow_log: str | None = None


class Params(_Section):
    """The whole of params.yaml."""

    environment: Literal["follow", "ignore"] = "follow"
    data: DataParams
    degradation: DegradationParams
    patches: PatchesConfig
    teacher: TeacherConfig
    student: StudentConfig
    export: ExportParams
    evaluate: EvaluateParams
    gate: GateParams
    promotion: PromotionParams
    monitor: MonitorParams = MonitorParams()

    @model_validator(mode="after")
    def _crops_fit(self) -> Self:
        """Known before hours of training: batches are cut on the degradation's grid."""
        scale, student = self.degradation.scale, self.student
        margin = student.answer_margin if student.needs_teacher else 0
        usable = self.patches.size - 2 * -(-margin // scale) * scale
        trained = {"student": (student.loop.crop, usable, f" less answer_margin {margin}")}
        if student.needs_teacher and self.teacher.arch not in UNTRAINED:
            trained["teacher"] = (self.teacher.loop.crop, self.patches.size, "")
        for name, (crop, room, less) in trained.items():
            if crop % scale or crop > room:
                fit = f"multiple of degradation.scale {scale}, and fit into patches.size"
                size = f"{self.patches.size}{less if room < self.patches.size else ''}"
                line = f"{name}.loop.crop is {crop}: it must be a {fit} {size}"
                raise PydanticCustomError(_CROP, "{line}", {"line": line})
        return self

    def digest(self) -> str:
        """SHA-256 of the values that make a model, whatever the file's order or comments.

        How a model is judged afterwards does not count: `gate`, `promotion`, `monitor` and which
        photos of `evaluate` are scored are left out, and so is `environment`.
        """
        left_out = {"environment", "gate", "promotion", "monitor"}
        values = self.model_dump(mode="json", exclude=left_out)
        for key in ("held_out", "photos", "seed"):
            del values["evaluate"][key]
        canonical = json.dumps(values, sort_keys=True)
        return hashlib.sha256(canonical.encode()).hexdigest()


def load_params(path: Path = PARAMS) -> Params:
    """Read and check `path`; a mistake raises `UserError` that names the key."""
    values = load_yaml(YAML(typ="safe"), path)
    for old, new in find_renamed(values):
        hint = "python -m pipeline migrate renames all old keys"
        raise UserError(f"{path}: {old} is now called {new}: {hint}")
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise UserError(_explain(path, error)) from None


def _explain(path: Path, error: ValidationError) -> str:
    """One line: the first mistake with its key, and how many there are."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    if first["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        what = "is not a known key: check the spelling against docs/params.md"
    elif first["type"] in {"missing", "missing_argument"}:
        what = "is missing"
    elif first["type"] == _CROP:
        key, what = first["msg"], ""
    elif first["type"] == _RECIPE or isinstance(first["input"], Mapping):
        # A section as a whole is wrong: what it holds is in the file.
        key, what = f"{key}:", first["msg"].removeprefix("Value error, ")
    else:
        what = f"is {first['input']!r}: {first['msg'].removeprefix('Value error, ')}"
    more = error.error_count() - 1
    return f"{path}: {key} {what}".rstrip() + (f" (and {more} more)" if more else "")
