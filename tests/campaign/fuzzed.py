"""Damaged inputs of one kind, read as the commands read them.

`python -m tests.campaign.fuzzed KIND COUNT SEED FOLDER` prints a line before each input, and at the
end how they came out, as JSON. A process of its own: a decoder that crashes ends it.
"""

import contextlib
import dataclasses
import json
import random
import resource
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kdsharp import Sharpener
from kdsharp.errors import describe, exit_code
from tests.campaign.part import REPOSITORY
from tests.models import make_model

HANGS_S = 60  # of one input; a busy machine takes seconds for what takes milliseconds
MEMORY = 8 << 30
WORDS = (
    *("", "null", "-1", "0", "1e400", ".nan", "[]", "{}", "{a: {}}", "'", "*a", "&a x", "\t"),
    *("!!python/object/apply:os.system ['true']", "99999999999999999999", "\u202e", "a: b: c"),
    *("../../etc/passwd", "true", "2001-01-01", "|", "- x", "0x10", '"\\u0000"', "\ud7ff"),
)


class HangError(Exception):
    """An input took too long."""


@dataclasses.dataclass
class Kind:
    """`make` writes the damaged input for a number, `read` takes it as a command would."""

    make: Callable[[random.Random], None]
    read: Callable[[], object]


def mutate(data: bytearray, rng: random.Random) -> bytearray:
    """Cut off, flip bits, blank, take out, repeat, or spoil the start."""
    where, how = rng.randrange(max(len(data), 1)), rng.randrange(6)
    if how == 0:
        del data[where:]
    elif how == 1:
        for _ in range(rng.randrange(1, 10)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif how == 2:
        end = min(len(data), where + rng.randrange(1, 300))
        data[where:end] = bytes(end - where)
    elif how == 3:
        del data[where : where + rng.randrange(1, 200)]
    elif how == 4:
        data[where:where] = data[where : where + rng.randrange(1, 100)]
    else:
        for _ in range(5):
            data[rng.randrange(min(len(data), 400))] = rng.randrange(256)
    return data


def reworded(text: str, rng: random.Random) -> str:
    """Lines lost, doubled, moved to another depth; values replaced by what is hard to bear."""
    lines = text.splitlines()
    for _ in range(rng.randrange(1, 4)):
        at, how = rng.randrange(len(lines)), rng.randrange(5)
        if how == 0 and len(lines) > 1:
            del lines[at]
        elif how == 1:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif how == 2:
            lines[at] = "  " * rng.randrange(4) + lines[at].strip()
        else:
            cut = "," if "," in lines[at] and ": " not in lines[at] else ": "
            head, mark, _ = lines[at].partition(cut)
            lines[at] = f"{head}{mark}{rng.choice(WORDS)}"
    return "\n".join(lines) + "\n"


def params(folder: Path) -> Kind:
    from pipeline.params import load_params

    text, path = (REPOSITORY / "params.yaml").read_text(encoding="utf-8"), folder / "params.yaml"

    def make(rng):
        if rng.random() < 0.3:
            path.write_bytes(mutate(bytearray(text.encode()), rng))
        else:
            path.write_text(reworded(text, rng), encoding="utf-8", errors="surrogatepass")

    return Kind(make, lambda: load_params(path))


def manifests(folder: Path) -> Kind:
    """Licences that people write, and the list of photos that git and DVC hold."""
    from PIL import Image

    from pipeline.data.folder import read_licences
    from pipeline.release.registry.fingerprints import list_fingerprints

    (folder / "raw/train").mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"raw/train/{number}.png")
    licences = "name,licence,author\n" + "".join(f"{n}.png,CC0,Ann {n}\n" for n in range(3))
    manifest = "split,name,sha256,perceptual_hash,width,height\n" + "".join(
        f"train,{n}.png,{n:064x},{n:016x},32,32\n" for n in range(3)
    )
    which = [licences]

    def make(rng):
        which[0] = rng.choice([licences, manifest])
        path = folder / ("LICENCES.csv" if which[0] == licences else "manifest.csv")
        if rng.random() < 0.5:
            path.write_bytes(mutate(bytearray(which[0].encode()), rng))
        else:
            path.write_text(reworded(which[0], rng), encoding="utf-8", errors="surrogatepass")

    def read():
        if which[0] == licences:
            return read_licences(folder)
        return list_fingerprints(folder / "manifest.csv", folder / "raw")

    return Kind(make, read)


def pictures(folder: Path) -> Kind:
    from tests.kdsharp.imageio.fuzz import KINDS, sound

    kinds = [kind for kind in KINDS if kind != "HEIF" or has_heif()]
    whole = [(kind, data) for kind in kinds for data in sound(kind, folder)]
    sharpener = Sharpener(make_model(folder / "model"), engine="onnxruntime", threads=1)
    source, target = folder / "in.png", folder / "out.png"

    def make(rng):
        _, data = rng.choice(whole)
        source.write_bytes(mutate(bytearray(data), rng))

    return Kind(make, lambda: sharpener.file(source, target))


def has_heif() -> bool:
    with contextlib.suppress(ImportError):
        import pillow_heif  # noqa: F401

        return True
    return False


def videos(folder: Path) -> Kind:
    from kdsharp.video import sharpen_video
    from tests.kdsharp.video.clips import make_clip

    times = [24 * number for number in range(6)]
    made = [
        make_clip(folder / "a.mp4", times=times, audio="aac", chapters=True),
        make_clip(folder / "b.mkv", times=times, audio="pcm_s16le", subtitle=True),
        make_clip(folder / "c.webm", times=times, codec="libvpx-vp9", options={"b": "0"}),
        make_clip(folder / "d.ts", times=times),
    ]
    sharpener = Sharpener(make_model(folder / "model"), engine="onnxruntime", threads=1)
    current = [made[0]]

    def make(rng):
        whole = rng.choice(made)
        current[0] = folder / f"in{whole.suffix}"
        current[0].write_bytes(mutate(bytearray(whole.read_bytes()), rng))

    return Kind(make, lambda: sharpen_video(current[0], folder / "out.mkv", sharpener))


def models(folder: Path) -> Kind:
    """A card that was edited, a network that is not the one of the card, files that are missing."""
    whole, model = make_model(folder / "whole"), folder / "model"
    rgb = np.zeros((16, 16, 3), np.uint8)

    def make(rng):
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(whole, model)
        name = rng.choice(["card.json", "card.json", "student.onnx"])
        data = mutate(bytearray((model / name).read_bytes()), rng)
        if name == "student.onnx" and rng.random() < 0.7:
            # With the hash of what it holds now: the network itself has to be looked at.
            from kdsharp.files import sha256_file

            (model / name).write_bytes(data)
            card = json.loads((model / "card.json").read_text())
            card["sha256"] = sha256_file(model / name)
            data, name = bytearray(json.dumps(card).encode()), "card.json"
        elif name == "card.json" and rng.random() < 0.5:
            text = json.dumps(json.loads((whole / name).read_text()), indent=1)
            data = bytearray(reworded(text, rng).encode("utf-8", "surrogatepass"))
        (model / name).write_bytes(data)

    return Kind(make, lambda: Sharpener(str(model), engine="onnxruntime", threads=1).array(rgb))


KINDS: dict[str, Callable[[Path], Kind]] = {
    "params": params,
    "manifests": manifests,
    "pictures": pictures,
    "videos": videos,
    "models": models,
}


def main(name: str, count: int, seed: int, folder: Path) -> None:
    """Print how many ended with which exit code, what was internal, and the slowest."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGALRM, _hangs)
    kind, codes, internal, slowest = KINDS[name](folder), Counter(), {}, 0.0
    warnings.simplefilter("ignore")
    for number in range(count):
        kind.make(random.Random(f"{name} {seed} {number}"))
        print(number, file=sys.stderr, flush=True)
        before = {path for path in folder.iterdir() if path.name.startswith(".part-")}
        began = time.monotonic()
        signal.alarm(HANGS_S)
        try:
            kind.read()
            code = 0
        except Exception as error:
            if isinstance(error, HangError):
                raise
            code, line = exit_code(error), describe(error)
            assert line.isprintable() or "\u202e" in line, (number, line)
            if code == 1:
                internal.setdefault(line[:150], number)
        signal.alarm(0)
        slowest = max(slowest, time.monotonic() - began)
        codes[code] += 1
        left = {path for path in folder.iterdir() if path.name.startswith(".part-")} - before
        assert not left, (number, left)
    print(json.dumps({"codes": codes, "internal": internal, "slowest": slowest}))


def _hangs(*_: object) -> None:
    raise HangError


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
