"""Sharpen pictures, photos' files and videos: with one model, or with the one that each needs."""

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.errors import UserError
from kdsharp.imageio.photo import Photo, image_of, photo_of
from kdsharp.routing.router import Choice, Router
from kdsharp.runtime.card import Card, read_card
from kdsharp.runtime.catalog import PLAIN, find_models
from kdsharp.runtime.crisp import crispener
from kdsharp.runtime.engine import ENGINES, Engine, Pixels, load_engine
from kdsharp.runtime.model import LoadedModel
from kdsharp.sharpening.file import File, Sharpened, sharpen_file
from kdsharp.sharpening.upscale import upscaled

if TYPE_CHECKING:
    from kdsharp.video.options import VideoOptions, VideoResult

__all__ = ["Sharpener"]

Depth = TypeVar("Depth", np.uint8, np.uint16)
Picture = TypeVar("Picture", npt.NDArray[np.uint8], npt.NDArray[np.uint16], Image.Image)


class Sharpener:
    """Sharpens as `kdsharp sharpen` does; may be used from several threads at once.

    `model` is the name of a model that ships, such as `nano-x2`, or a model folder. With none, or a
    size such as `nano`, every picture gets the model that it needs, of those that ship, and one
    that is sharp is left as it is; so it is with the folder of a set of models (`python -m pipeline
    combine`), of its models; `scale` (2, 3 or 4) then takes the plain one that undoes it, and
    `auto` is the same as none. `$KDSHARP_MODEL` is used if no model is named.

    `engine` is `auto`, `openvino`, `onnxruntime`, or an `Engine` that is loaded already: then it is
    the model, and `model`, `scale`, `threads`, `precision` and `streams` do not matter. `strength`
    0..2 scales what the model adds (0 changes nothing, above 1 is more than it learned to add).
    `crisp` 0..1 crispens luma gently after that, of pictures that are sharp too. `precision` is
    `fp32`, `int8` where the model has it (what is added is then a whole number of 255, to pictures
    of 16 bit too), or `auto`; that, `threads` and `streams` are as in `load_engine`. Raises
    `UserError` for an invalid model, scale, engine, strength, crisp or precision.
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        scale: int | str | None = None,
        engine: str | Engine = "auto",
        strength: float = 1.0,
        threads: int | None = None,
        precision: str = "auto",
        streams: int = 1,
        crisp: float = 0.0,
    ) -> None:
        self.strength = strength
        named_engine = engine.name if isinstance(engine, Engine) else engine
        if named_engine not in ENGINES:
            named_engine = "auto"  # a network of our own making; or a mistake, which is told below
        self._crispener = crispener(crisp, named_engine, threads, precision, streams)
        if isinstance(engine, Engine):
            loaded, named = LoadedModel(engine, strength), engine.card.name
            self.router = Router({named: loaded.card}, lambda _: loaded)
            return
        found = find_models(model, scale)
        folders = {folder.name or folder.absolute().name: folder for folder in found}

        def load(name: str) -> LoadedModel:
            made = load_engine(folders[name], engine, threads, precision, streams)
            return LoadedModel(made, strength)

        several = len(folders) > 1  # of which each is checked when it is loaded
        cards = {n: read_card(folder, files=not several) for n, folder in folders.items()}
        self.router = Router(cards, load, found[0].parent)
        _ = self.router.first  # mistakes are reported before anything runs

    def with_strength(self, strength: float) -> "Sharpener":
        """The same models with another strength: one that takes no time to make and no memory.

        Raises `UserError` for a strength that is not from 0 to 2.
        """
        other = copy.copy(self)
        other.strength, other.router = strength, self.router.with_strength(strength)
        _ = other.router.first  # mistakes are reported before anything runs
        return other

    def with_crisp(self, crisp: float) -> "Sharpener":
        """The same models, but as crisp as this; the network for it is loaded when first needed.

        Raises `UserError` for a number that is not from 0 to 1.
        """
        other = copy.copy(self)
        other._crispener = self._crispener.with_amount(crisp)
        _ = other.crispening
        return other

    @property
    def crisp(self) -> float:
        """How much pictures are crispened, 0..1."""
        return self._crispener.amount

    @property
    def crispening(self) -> LoadedModel | None:
        """What crispens the luma of pictures after all else; None if `crisp` is 0."""
        return self._crispener.model

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models that it chooses among, the one for plain enlarging first."""
        return tuple(self.router.cards)

    @property
    def engine(self) -> Engine:
        """What runs the first of `models`; all of them run alike."""
        return self.router.first.engine

    @property
    def card(self) -> Card:
        """The card of the first of `models`; where there is only one, of all."""
        return self.router.first.card

    def choose(self, picture: npt.NDArray[Any] | Photo) -> str | None:
        """The name of the model for `picture`, as `array` takes it; None if none would help.

        Takes a few milliseconds of one core, whatever the size.
        """
        choice = self.choice(picture)
        return None if choice is None else choice.model

    def choice(self, picture: npt.NDArray[Any] | Photo) -> Choice | None:
        """The same, with the row and column where the model's grid begins.

        That is the corner, unless `picture` clearly was enlarged by the model's scale and then
        cropped. It is what all the other methods use.
        """
        if isinstance(picture, Photo):
            return self.router.choose(_shown(picture))
        return self.router.choose(_checked(picture))

    def array(
        self, rgb: npt.NDArray[Depth], *, out: npt.NDArray[Depth] | None = None
    ) -> npt.NDArray[Depth]:
        """Sharpen RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`; same shape and type.

        Runs in tiles, so that memory beyond input and output does not grow with the picture. The
        result goes to `out`, which may be `rgb` itself, or else to a new array. Raises `ValueError`
        for other shapes and types.
        """
        _checked(rgb)
        if out is not None and (out.shape, out.dtype) != (rgb.shape, rgb.dtype):
            raise ValueError(f"out must be {rgb.dtype} {rgb.shape}, not {out.dtype} {out.shape}")
        done = np.empty_like(rgb) if out is None else out
        choice = self.choice(rgb)
        if choice is None:
            done[...] = rgb
        else:
            self.router.fitted(choice).array(rgb, done)
        if (crispening := self.crispening) is not None:
            crispening.array(done, done)
        return done

    def plane(self, levels: Pixels, *, out: Pixels | None = None) -> Pixels:
        """Sharpen one 8-bit plane (H, W) of luma, or grey, full range; same shape.

        The way for video, whose decoders give such planes: nothing is converted. As `array`, so
        name a model, or each frame chooses anew.
        """
        _checked(levels)
        if levels.ndim != 2 or levels.dtype != np.uint8:
            raise ValueError(f"need a uint8 plane (H, W), not {levels.dtype} {levels.shape}")
        return self.array(levels, out=out)

    def image(self, image: Image.Image) -> Image.Image:
        """Sharpen a Pillow image; alpha and `info` (ICC profile, EXIF) are kept.

        `L`, `RGB` and `I;16` stay what they are, `LA` and `RGBA` too; other modes become RGB.
        Raises `ValueError` if it is not an image.
        """
        return image_of(self.photo(photo_of(image)))

    def photo(self, photo: Photo) -> Photo:
        """Sharpen a photo of `kdsharp.imageio`, whose pixels are changed in place.

        Of YCbCr the luma is sharpened, and the chroma stays as it is. Of CMYK the colours are
        sharpened as RGB, with equal steps on C, M and Y, and black like a grey picture.
        """
        if not isinstance(photo, Photo):
            raise ValueError(f"need a photo of kdsharp.imageio, not {type(photo).__name__}")
        return self.apply(self.choice(photo), photo)

    def upscale(self, picture: Picture, times: int) -> Picture:
        """`picture`, as `array` or `image` take it, enlarged 2, 3 or 4 `times` and sharpened.

        It is enlarged by bicubic interpolation, and the plain model for that scale undoes its blur;
        nothing is rounded in between. Raises `UserError` for another number, where no model undoes
        it, and for too many pixels.
        """
        choice = self.enlarging(times)
        if isinstance(picture, np.ndarray):
            space: Any = "grey" if _checked(picture).ndim == 2 else "RGB"
            return cast(Picture, self.enlarge(choice, Photo(picture, space)).pixels)
        return image_of(self.enlarge(choice, photo_of(picture)))

    def file(
        self,
        source: File,
        target: File,
        *,
        upscale: int | None = None,
        quality: int | None = None,
        suffix: str | None = None,
    ) -> Sharpened:
        """Sharpen the photo at `source` into `target`; each is a path or a binary file.

        The output's format is that of `suffix`, such as `.png`, else of the suffix of `target`,
        else that of the photo. What is kept, and what `quality` means, is described at
        `kdsharp.imageio.write.save_photo`. `upscale` enlarges as the method does. A photo that no
        model is expected to help, and that is not to be crispened, is copied where its format stays
        and no quality is asked for.
        Raises `UserError` and writes nothing if `source` is not a readable photo or is `target`
        itself, and `ValueError` if either is not a path or a file.
        """
        if all(isinstance(one, str | Path) for one in (source, target)):
            begin, end = Path(source), Path(target)  # type: ignore[arg-type]
            if end.exists() and begin.exists() and end.samefile(begin):
                raise UserError(f"{end}: is the photo itself: name another output")
        return sharpen_file(self, source, target, upscale=upscale, quality=quality, suffix=suffix)

    def video(
        self,
        source: Path | str,
        target: Path | str,
        options: "VideoOptions | None" = None,
        progress: Callable[[int, int | None], object] | None = None,
    ) -> "VideoResult":
        """Sharpen the video at `source` into `target`, as `kdsharp.video.sharpen_video` says."""
        from kdsharp.video.convert import sharpen_video

        for given in (source, target):
            if not isinstance(given, str | Path):
                raise ValueError(f"need a path, not {type(given).__name__}")
        return sharpen_video(Path(source), Path(target), self, options, progress)

    def enlarging(self, times: int) -> Choice:
        """The model that undoes enlarging `times`, from the corner; `UserError` if none does."""
        cards = self.router.cards
        for name, card in cards.items():
            alone = len(cards) == 1 and card.mixture is None
            if card.scale == times and (alone or card.degradation == PLAIN):
                return Choice(name)
        if any(card.mixture for card in cards.values()):
            raise UserError(
                f"{next(iter(cards))}: its mixture is not made for enlarging: take a model for "
                f"bicubic x{times}, such as small-x{times}"
            )
        undone = " and ".join(sorted({str(c.scale) for c in cards.values()}))
        raise UserError(f"{next(iter(cards))}: undoes scale {undone}, not {times}")

    def enlarge(self, choice: Choice, photo: Photo) -> Photo:
        """`photo` enlarged as the model of `choice`, one of `models`, undoes it, and sharpened.

        Raises `UserError` for more pixels than a picture may have.
        """
        return self._by(self.crispening, upscaled(photo, self.router.enlarger(choice.model)))

    def apply(self, choice: Choice | None, photo: Photo) -> Photo:
        """`photo` by the model of `choice`, one of `models`, and crispened; changed in place."""
        restored = photo if choice is None else self._by(self.router.fitted(choice), photo)
        return self._by(self.crispening, restored)

    def _by(self, single: LoadedModel | None, photo: Photo) -> Photo:
        if single is None:
            return photo
        pixels: npt.NDArray[Any] = photo.pixels
        if not pixels.flags.writeable:
            pixels = pixels.copy()
        if photo.space == "CMYK":
            peak = np.iinfo(pixels.dtype).max
            np.subtract(peak, pixels, out=pixels)  # from ink to light
            for part in (pixels[..., :3], pixels[..., 3]):
                single.array(part, part)
            np.subtract(peak, pixels, out=pixels)
        else:
            part = pixels[..., 0] if photo.space == "YCbCr" else pixels
            single.array(part, part)
        return dataclasses.replace(photo, pixels=pixels)


def _checked(rgb: Any) -> npt.NDArray[Any]:
    """`rgb`, if it is a picture that can be sharpened."""
    if not isinstance(rgb, np.ndarray):
        raise ValueError(f"need an array (H, W) or (H, W, 3), not {type(rgb).__name__}")
    if rgb.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"need uint8 or uint16, not {rgb.dtype}")
    if rgb.size == 0 or not (rgb.ndim == 2 or (rgb.ndim == 3 and rgb.shape[2] == 3)):
        raise ValueError(f"need a picture (H, W) or (H, W, 3), not {rgb.shape}")
    return rgb


def _shown(photo: Photo) -> npt.NDArray[Any]:
    """What the choice goes by: luma, RGB or grey; of CMYK, cyan, magenta and yellow."""
    if photo.space == "YCbCr":
        return photo.pixels[..., 0]
    return photo.pixels[..., :3] if photo.space == "CMYK" else photo.pixels
