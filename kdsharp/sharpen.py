"""Photo in, sharpened photo out: arrays, Pillow images and files."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from kdsharp.color import luma
from kdsharp.engine import Engine, Planes, load_engine, tiles
from kdsharp.errors import UserError
from kdsharp.images import Photo, open_photo, save_photo
from kdsharp.model import find_model

__all__ = ["Sharpener"]

Depth = TypeVar("Depth", np.uint8, np.uint16)


class Sharpener:
    """Sharpens with one loaded model; every method may be called from several threads at once.

    `model` is a model folder, None for `$KDSHARP_MODEL` or the one that ships; `engine` is `auto`,
    `openvino`, `onnxruntime`, or an `Engine` that is loaded already, and `model`, `threads` and
    `precision` do not matter; `strength` 0..1 scales what the model adds (0 changes nothing).
    `precision` is `fp32`, or `int8` where the model has it: what is added is then a whole number of
    255, to pictures of 16 bit too. Raises `UserError` for a model, an engine, a strength or a
    precision that is none.
    """

    def __init__(
        self,
        model: Path | str | None = None,
        *,
        engine: str | Engine = "auto",
        strength: float = 1.0,
        threads: int | None = None,
        precision: str = "fp32",
    ) -> None:
        if not 0 <= strength <= 1:
            raise UserError(f"strength must be from 0 to 1, not {strength}")
        if not isinstance(engine, Engine):
            folder = find_model(Path(model) if model else None)
            engine = load_engine(folder, engine, threads, precision)
        self.engine, self.strength = engine, strength
        self.card = self.engine.card

    def array(self, rgb: npt.NDArray[Depth]) -> npt.NDArray[Depth]:
        """Sharpen RGB (H, W, 3) or grey (H, W), `uint8` or `uint16`; same shape and type.

        Runs in tiles, so that memory beyond input and output does not grow with the picture.
        Raises `ValueError` for other shapes and types.
        """
        if rgb.dtype not in (np.uint8, np.uint16):
            raise ValueError(f"need uint8 or uint16, not {rgb.dtype}")
        if rgb.size == 0 or not (rgb.ndim == 2 or (rgb.ndim == 3 and rgb.shape[2] == 3)):
            raise ValueError(f"need a picture (H, W) or (H, W, 3), not {rgb.shape}")
        out = np.empty_like(rgb)
        for tile in tiles(rgb.shape[0], rgb.shape[1], self.card):
            out[tile.write] = self._whole(rgb[tile.read])[tile.keep]
        return out

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

    def file(self, source: Path, target: Path, *, quality: int | None = None) -> None:
        """Sharpen the photo at `source` into `target`, in the format of its suffix.

        What is kept, and what `quality` means, is described at `kdsharp.images.save_photo`.
        Raises `UserError` and writes nothing when `source` is no sound photo or is `target` itself.
        """
        source, target = Path(source), Path(target)
        if target.exists() and source.exists() and target.samefile(source):
            raise UserError(f"{target}: is the photo itself: name another output")
        photo = open_photo(source)
        done = Photo(self.image(photo.image), photo.alpha, photo.about, photo.jpeg)
        save_photo(done, target, quality=quality)

    def _whole(self, rgb: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Without tiles: (H, W) or (H, W, 3) -> the same, the residual added to every channel."""
        peak = float(np.iinfo(rgb.dtype).max)
        planes_NCHW = self._planes(rgb) / np.float32(peak)
        residual_NCHW = self.engine.run(planes_NCHW) - planes_NCHW
        residual = residual_NCHW[0].transpose(1, 2, 0)
        if rgb.ndim == 2:
            residual = residual.mean(axis=2)
        # Equal steps on R, G and B change luma alone: the chroma differences cancel.
        sharp = rgb + residual * np.float32(self.strength * peak)
        return np.asarray(np.clip(np.rint(sharp), 0, peak), dtype=rgb.dtype)

    def _planes(self, rgb: npt.NDArray[Any]) -> Planes:
        """(1, C, H, W) as the model reads it, still in the range of `rgb`."""
        if self.card.color == "luma":
            plane = luma(rgb) if rgb.ndim == 3 else rgb.astype(np.float32)
            return plane[None, None]
        color = rgb if rgb.ndim == 3 else np.repeat(rgb[..., None], 3, axis=2)
        return color.transpose(2, 0, 1)[None].astype(np.float32)
