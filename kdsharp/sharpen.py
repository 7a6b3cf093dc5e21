"""Sharpen with one loaded model: planes, arrays, Pillow images, photos and files."""

import dataclasses
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.color import luma
from kdsharp.engine import Engine, Pixels, load_engine
from kdsharp.errors import UserError
from kdsharp.model import find_model
from kdsharp.photos.photo import Photo
from kdsharp.photos.reading import open_photo
from kdsharp.photos.writing import format_of, save_photo
from kdsharp.tiles import cut

__all__ = ["Sharpener"]

Depth = TypeVar("Depth", np.uint8, np.uint16)


class Sharpener:
    """Sharpens with one loaded model; every method may be called from several threads at once.

    `model` is a model folder or the name of a model that ships, such as `nano`, None for
    `$KDSHARP_MODEL` or `small`; `engine` is `auto`,
    `openvino`, `onnxruntime`, or an `Engine` that is loaded already, and `model`, `threads` and
    `precision` do not matter; `strength` 0..1 scales what the model adds (0 changes nothing).
    `precision` is `fp32`, `int8` where the model has it (what is added is then a whole number of
    255, to pictures of 16 bit too), or `auto`, as in `kdsharp.engine.load_engine`. Raises
    `UserError` for a model, an engine, a strength or a precision that is none.
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        engine: str | Engine = "auto",
        strength: float = 1.0,
        threads: int | None = None,
        precision: str = "auto",
        streams: int = 1,
    ) -> None:
        if not 0 <= strength <= 1:
            raise UserError(f"strength must be from 0 to 1, not {strength}")
        if not isinstance(engine, Engine):
            folder = find_model(Path(model) if model else None)
            engine = load_engine(folder, engine, threads, precision, streams)
        self.engine, self.strength = engine, strength
        self.card = self.engine.card

    def array(
        self, rgb: npt.NDArray[Depth], *, out: npt.NDArray[Depth] | None = None
    ) -> npt.NDArray[Depth]:
        """Sharpen RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`; same shape and type.

        Runs in tiles, so that memory beyond input and output does not grow with the picture. The
        result goes to `out`, which may be `rgb` itself, or else to a new array. Raises `ValueError`
        for other shapes and types.
        """
        if rgb.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"need uint8 or uint16, not {rgb.dtype}")
        if rgb.size == 0 or not (rgb.ndim == 2 or (rgb.ndim == 3 and rgb.shape[2] == 3)):
            raise ValueError(f"need a picture (H, W) or (H, W, 3), not {rgb.shape}")
        if out is not None and (out.shape, out.dtype) != (rgb.shape, rgb.dtype):
            raise ValueError(f"out must be {rgb.dtype} {rgb.shape}, not {out.dtype} {out.shape}")
        done = np.empty_like(rgb) if out is None else out
        for part, tile in cut(rgb, self.card):
            done[tile.write] = self._whole(part)[tile.keep]
        return done

    def plane(self, levels: Pixels, *, out: Pixels | None = None) -> Pixels:
        """Sharpen one 8-bit plane (H, W) of luma, or grey, full range; same shape.

        The way for video, whose decoders give such planes: nothing is converted. As `array`.
        """
        if levels.ndim != 2 or levels.dtype != np.uint8:
            raise ValueError(f"need a uint8 plane (H, W), not {levels.dtype} {levels.shape}")
        return self.array(levels, out=out)

    def image(self, image: Image.Image) -> Image.Image:
        """Sharpen a Pillow image; alpha and `info` (ICC profile, EXIF) are kept.

        `L`, `RGB` and `I;16` stay what they are, `LA` and `RGBA` too; other modes become RGB.
        """
        if image.has_transparency_data and image.mode != "I;16":
            whole = image if image.mode in ("LA", "RGBA") else image.convert("RGBA")
            color = self.image(whole.convert("L" if whole.mode == "LA" else "RGB"))
            color.putalpha(whole.getchannel("A"))
            return color
        plain = image if image.mode in ("L", "RGB", "I;16") else image.convert("RGB")
        done = Image.fromarray(self.array(np.asarray(plain)))
        done.info = dict(image.info)
        return done

    def photo(self, photo: Photo) -> Photo:
        """Sharpen a photo of `kdsharp.photos`, whose pixels are changed in place.

        Of YCbCr the luma is sharpened, and the chroma stays as it is. Of CMYK the colours are
        sharpened as RGB, with equal steps on C, M and Y, and black like a grey picture.
        """
        pixels: npt.NDArray[Any] = photo.pixels
        if not pixels.flags.writeable:
            pixels = pixels.copy()
        if photo.space == "YCbCr":
            self.array(pixels[..., 0], out=pixels[..., 0])
        elif photo.space == "CMYK":
            peak = np.iinfo(pixels.dtype).max
            np.subtract(peak, pixels, out=pixels)  # from ink to light
            for part in (pixels[..., :3], pixels[..., 3]):
                self.array(part, out=part)
            np.subtract(peak, pixels, out=pixels)
        else:
            self.array(pixels, out=pixels)
        return dataclasses.replace(photo, pixels=pixels)

    def file(
        self,
        source: Path | str | IO[bytes],
        target: Path | str | IO[bytes],
        *,
        quality: int | None = None,
        kind: str | None = None,
    ) -> None:
        """Sharpen the photo at `source` into `target`; each is a path or a binary file.

        The output's format is `kind`, a suffix such as `.png`, else the suffix of `target`, else
        that of the photo. What is kept, and what `quality` means, is described at
        `kdsharp.photos.writing.save_photo`. Raises `UserError` and writes nothing when `source` is
        no sound photo or is `target` itself.
        """
        begin, end = (Path(e) if isinstance(e, str) else e for e in (source, target))
        if isinstance(begin, Path) and isinstance(end, Path) and _same(begin, end):
            raise UserError(f"{end}: is the photo itself: name another output")
        suffix = kind or (end.suffix if isinstance(end, Path) else ".jpg")
        # A JPEG that stays one keeps its chroma as it is, and needs no conversion of colours.
        ycbcr = self.card.color == "luma" and format_of(suffix, end) == "JPEG"
        photo = self.photo(open_photo(begin, ycbcr=ycbcr))
        save_photo(photo, end, quality=quality, kind=kind)

    def _whole(self, rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Without tiles: (H, W) or (H, W, 3) -> the same, the change added to every channel."""
        peak = np.iinfo(rgb.dtype).max
        change = self._change(rgb)
        # Equal steps on R, G and B change luma alone: the chroma differences cancel.
        sharp = np.add(rgb, change if change.ndim == rgb.ndim else change[..., None])
        return np.asarray(np.clip(sharp, 0, peak, out=sharp), rgb.dtype)

    def _change(self, rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What to add to the levels: whole numbers, signed, (H, W) or (H, W, 3)."""
        peak = np.iinfo(rgb.dtype).max
        change_CHW: npt.NDArray[Any]
        planes_CHW = self._planes(rgb)
        if self.engine.precision == "int8":
            levels_CHW = planes_CHW
            if levels_CHW.dtype != np.uint8:
                levels_CHW = np.rint(planes_CHW * np.float32(255 / peak)).astype(np.uint8)
            sharp_CHW = self.engine.run8(levels_CHW[None])[0]
            change_CHW = np.subtract(sharp_CHW, levels_CHW, dtype=np.int16)
            factor = self.strength * (peak // 255)
        else:
            planes_CHW = np.divide(planes_CHW, peak, dtype=np.float32)
            change_CHW = self.engine.run(planes_CHW[None])[0] - planes_CHW
            factor = self.strength * peak
        change: npt.NDArray[Any] = change_CHW[0]
        if self.card.color != "luma":
            change = change_CHW.transpose(1, 2, 0) if rgb.ndim == 3 else change_CHW.mean(axis=0)
        if change.dtype == np.int16 and factor == 1:
            return change
        # Signed numbers that hold a sum of two: 16 bits for levels of 8.
        wide = np.int16 if peak == 255 else np.int32
        return np.clip(np.rint(change * np.float32(factor)), -peak, peak).astype(wide)

    def _planes(self, rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(C, H, W) as the model reads it, still in the range of `rgb`; not rounded."""
        if self.card.color == "luma":
            return luma(rgb)[None] if rgb.ndim == 3 else rgb[None]
        color = rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2)
        return color.transpose(2, 0, 1)


def _same(source: Path, target: Path) -> bool:
    return target.exists() and source.exists() and target.samefile(source)
