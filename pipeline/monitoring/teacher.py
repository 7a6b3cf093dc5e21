"""What the teacher makes of production's pictures: it disagrees where the student is lost."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kdsharp.color import luma_studio
from kdsharp.errors import KdsharpError
from kdsharp.imageio.decode import read_rgb
from kdsharp.metrics import psnr
from kdsharp.sharpening.sharpener import Sharpener
from pipeline.monitoring.measured import part_of
from pipeline.paths import TEACHER

__all__ = ["disagreement"]

_SIDE = 192  # the teacher takes a hundred times as long as the student


def disagreement(
    folder: Path, names: Sequence[str], student: Sharpener, step: Callable[[], object]
) -> float | None:
    """Mean Y-PSNR between both answers, in dB: lower is further apart; `step` is called for each.

    None where there is no teacher, or no picture can be read.
    """
    from kdsharp.train.engine import torch_engine
    from kdsharp.train.teacher.network import find_teacher

    found = find_teacher(TEACHER)
    if found is None:
        return None
    teacher = Sharpener(engine=torch_engine(found))
    scores = []
    for number, name in enumerate(names):
        step()
        try:
            photo = read_rgb(folder / name)
        except KdsharpError:
            continue
        part = np.asarray(part_of(photo, _SIDE, np.random.default_rng(number)))
        answers = [luma_studio(one.array(part)) for one in (student, teacher)]
        scores.append(psnr(*answers))
    return float(np.mean(scores)) if scores else None
