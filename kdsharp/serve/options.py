"""What can be asked of a picture, in the query or in a form; the names are the command's."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kdsharp.errors import UserError
from kdsharp.imageio.photo import SUFFIXES, USUAL
from kdsharp.runtime.model import MOST
from kdsharp.serve.refusal import Refused

__all__ = ["Options", "first_problem"]


class Options(BaseModel):
    """As the options of `kdsharp sharpen`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str | None = Field(
        None, max_length=100, description="A name or a size of GET /v1/models; else the default."
    )
    scale: str | None = Field(
        None, pattern="^(2|3|4|auto)$", description="Undo smooth enlarging by this much."
    )
    upscale: int | None = Field(None, ge=2, le=4, description="Enlarge so many times.")
    strength: float = Field(
        1.0, ge=0, le=MOST, description="0 changes nothing, 1 is all, above is more than learned."
    )
    crisp: float = Field(
        0.0, ge=0, le=1, description="Crispens gently, also what is sharp; 0 does not."
    )
    format: str | None = Field(
        None, max_length=10, description="Of the answer, such as png; else the picture's."
    )
    quality: int | None = Field(
        None, ge=1, le=100, description="For JPEG, WebP, AVIF and HEIC; else a JPEG's own."
    )

    @property
    def suffix(self) -> str | None:
        """Of the answer, such as `.png`; None for that of the picture. `UserError` if unknown."""
        if self.format is None:
            return None
        plain = f".{self.format.lower().removeprefix('.')}"
        if plain not in SUFFIXES:
            raise UserError(f"format {self.format!r} is unknown: choose {USUAL.replace('.', '')}")
        return plain

    @property
    def undone(self) -> str | None:
        """The scale that the model undoes: of `upscale`, that of the enlarging itself."""
        if self.upscale is None:
            return self.scale
        if self.scale not in (None, str(self.upscale)):
            raise UserError(f"upscale {self.upscale} undoes its own blur: leave out scale")
        return str(self.upscale)

    def with_fields(self, fields: Mapping[str, str]) -> "Options":
        """The same with what a form says; raises `Refused` for what is not valid."""
        try:
            return Options.model_validate({**self.model_dump(exclude_unset=True), **fields})
        except ValidationError as error:
            raise Refused(400, first_problem(error.errors())) from error


def first_problem(problems: object) -> str:
    """One line on the first of pydantic's `problems`."""
    first = problems[0] if isinstance(problems, list | tuple) and problems else {}
    place = [str(part) for part in first.get("loc", ()) if part not in ("query", "body", "path")]
    return f"{'.'.join(place) or 'request'}: {first.get('msg', 'is not valid')}"
