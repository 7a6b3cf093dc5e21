"""One picture that went through kdsharp, as a line of JSON: nothing in it shows the picture."""

import io
import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kdsharp.imageio.photo import Photo
from kdsharp.imageio.read import open_photo
from kdsharp.observe.expect import Expected, Expects
from kdsharp.observe.statistics import measure
from kdsharp.routing.router import Router

__all__ = ["Observation", "Passed", "chosen", "observe", "parse", "passed_by"]

_VERSION = 12  # digits of the SHA-256, as the service says it


@dataclass(frozen=True)
class Passed:
    """What became of a picture: its model (None: left as it is), that one's version, the route."""

    model: str | None
    version: str
    route: str


@dataclass(frozen=True)
class Observation:
    """A picture that was seen at `time`, in seconds since 1970, by `source`.

    `source` is `sharpen`, `serve` or `folder`; `bytes` is the size of its file. `expected` is None
    where nobody knows it: another model, or an enlarged picture. `picture` names a file in the
    log's folder where the picture itself was allowed to be kept.
    """

    time: float
    source: str
    width: int
    height: int
    format: str
    bytes: int
    model: str | None
    version: str
    route: str
    statistics: dict[str, float] = field(default_factory=dict)
    expected: Expected | None = None
    picture: str | None = None

    def line(self) -> str:
        """One line of JSON with its end; shares of nothing are left out."""
        said = asdict(self)
        kept = self.statistics.items()
        said["statistics"] = {n: v for n, v in kept if v or not n.startswith("as ")}
        return json.dumps(said, allow_nan=False, separators=(",", ":")) + "\n"


def parse(line: str) -> Observation | None:
    """The observation in a line; None if it is none, such as one that a killed process began."""
    try:
        said: dict[str, Any] = json.loads(line)
        expected = said.pop("expected", None)
        statistics = {str(n): float(v) for n, v in said.pop("statistics").items()}
        found = Expected(**expected) if expected else None
        made = Observation(**said, statistics=statistics, expected=found)
        return made if float(made.time) >= 0 and made.width > 0 else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def observe(
    file: Path | bytes,
    router: Router,
    source: str,
    expects: Expects | None,
    passed: Passed | None = None,
    strength: float = 1.0,
) -> Observation:
    """What the picture in `file` shows, and became of it; without `passed`, what would.

    The gain is expected of all that a model adds, so at another `strength` than 1 nobody knows it.
    Raises `UserError` if it is not a readable picture.
    """
    photo = open_photo(file if isinstance(file, Path) else io.BytesIO(file))
    picture = _rgb(photo)
    went = passed or chosen(router, picture)
    statistics = measure(picture)
    known = expects is not None and went.route != "upscaled" and strength == 1
    expected = expects.of(statistics, went.model, went.version) if expects and known else None
    height, width = picture.shape[:2]
    size = file.stat().st_size if isinstance(file, Path) else len(file)
    return Observation(
        round(time.time(), 3),
        source,
        width,
        height,
        photo.file_format,
        size,
        went.model,
        went.version,
        went.route,
        statistics,
        expected,
    )


def chosen(router: Router, picture: npt.NDArray[Any]) -> Passed:
    """What would become of `picture`, RGB (H, W, 3) or grey (H, W)."""
    choice = router.choose(picture)
    model = choice.model if choice else None
    return passed_by(router, model)


def passed_by(router: Router, model: str | None, *, upscaled: bool = False) -> Passed:
    """For a picture that got `model`, one of the router's; None: it was left as it is."""
    card = router.cards[model] if model else next(iter(router.cards.values()))
    route = "routed" if len(router) > 1 else "fixed"
    if upscaled:
        route = "upscaled"
    elif model is None:
        route = "unchanged"
    return Passed(model, card.sha256[:_VERSION], route)


def _rgb(photo: Photo) -> npt.NDArray[Any]:
    """As people see it: of CMYK the light that is left of the first three inks."""
    if photo.space != "CMYK":
        return photo.pixels
    peak = np.iinfo(photo.pixels.dtype).max
    return np.asarray(peak - photo.pixels[..., :3], photo.pixels.dtype)
