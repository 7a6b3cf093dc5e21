"""A whole `kdsharp sharpen`: plan, skip what is there, load, run, report."""

import dataclasses
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from kdsharp.batch.bucket import exists, in_bucket
from kdsharp.batch.plan import Job, plan
from kdsharp.batch.report import summary, write_csv
from kdsharp.batch.run import BUDGET, Done, Outcome, Writing, attempt, run
from kdsharp.batch.work import Photos, pixels
from kdsharp.cluster.spread import cluster_address
from kdsharp.errors import KdsharpError, UserError
from kdsharp.files import sweep
from kdsharp.imageio.photo import SUFFIXES, USUAL
from kdsharp.progress import Progress
from kdsharp.runtime.hardware import cores
from kdsharp.sharpening.sharpener import Sharpener
from kdsharp.video.options import VIDEO_SUFFIXES, VideoOptions

if TYPE_CHECKING:
    from kdsharp.observe.observer import Observer

__all__ = ["HINT", "Request", "sharpen_all"]

HINT = "--crisp 0.5 crispens gently"
"""What helps where no model does; tests/kdsharp/batch/test_hint.py shows that it helps."""


@dataclass(frozen=True)
class Request:
    """What to sharpen and how; `inputs`, `out` and `form` are those of `kdsharp.batch.plan.plan`.

    `load` gives the sharpener, for so many calls at a time, and is called when there is something
    to do: on each worker where `$KDSHARP_CLUSTER` names a cluster, to which it travels as a pickle.
    `quicker` is the same with smaller models, None where a model was named. `table` is a CSV file
    to write, `observe` a folder for statistics of the photos (`docs/monitor.md`). `upscale` and
    `quality` are those of `kdsharp.Sharpener.file`; `video` is for videos.
    """

    inputs: Sequence[Path]
    out: str | None
    load: Callable[[int], Sharpener]
    quicker: Callable[[int], Sharpener] | None = None
    form: str | None = None
    upscale: int | None = None
    quality: int | None = None
    skip_existing: bool = False
    table: Path | None = None
    observe: Path | None = None
    video: VideoOptions = field(default_factory=VideoOptions)


def sharpen_all(request: Request, tell: Callable[[str], None]) -> None:
    """Do it, and `tell` the outcome, line by line.

    A photo that fails is reported on stderr and the rest are done; then raises an error that counts
    the failures. If there is only one photo its error is raised as it is, and so is an error that
    ends the run. The CSV file is written in any case.
    """
    start = time.monotonic()
    suffixes = SUFFIXES | VIDEO_SUFFIXES
    planned = plan(request.inputs, request.out, form=_form(request.form), suffixes=suffixes)
    _check_media(request, planned)
    _check_table(request.table)
    sweep(job.target for job in planned if not in_bucket(job.target))
    there = [job for job in planned if request.skip_existing and exists(job.target)]
    outcomes = {job: Outcome(job, Done("there already")) for job in there}
    jobs = [job for job in planned if job not in outcomes]
    try:
        if jobs:
            _run(request, jobs, outcomes, alone=len(planned) == 1)
    finally:
        if request.table:
            write_csv(request.table, [outcomes[job] for job in planned if job in outcomes])
    _tell(list(outcomes.values()), time.monotonic() - start, tell)


def _run(
    request: Request, jobs: Sequence[Job], outcomes: dict[Job, Outcome], *, alone: bool
) -> None:
    def take(outcome: Outcome, log: Callable[[str], None]) -> None:
        outcomes[outcome.job] = outcome
        if outcome.code and alone:
            raise (UserError if outcome.code == UserError.exit_code else KdsharpError)(
                outcome.done.message
            )
        if outcome.code:
            log(f"kdsharp: {_failure(outcome)}")

    load = cache(request.load)  # photos and videos share what both can use
    # The one place that knows what happens to which file.
    videos = [job for job in jobs if _is_video(job)]
    photos = [job for job in jobs if not _is_video(job)]
    if photos:
        _run_photos(request, load, photos, take)
    if videos:
        from kdsharp.batch.work import Videos

        options = dataclasses.replace(request.video, upscale=request.upscale)
        quicker = partial(request.quicker, cores()) if request.quicker else None
        work, writing = Videos(load(cores()), options, quicker), Writing()
        for job in videos:
            take(attempt(job, work, writing), lambda line: print(line, file=sys.stderr))


def _run_photos(
    request: Request,
    load: Callable[[int], Sharpener],
    jobs: Sequence[Job],
    take: Callable[[Outcome, Callable[[str], None]], None],
) -> None:
    if _is_far(request, jobs):
        from kdsharp.batch.far import sharpen_far

        with Progress(len(jobs), "Sharpening", "photos") as progress:
            for outcome in sharpen_far(jobs, request.load, request.upscale, request.quality):
                take(outcome, progress.log)
                progress.step()
        return

    def weigh(job: Job) -> int:
        if in_bucket(job.source):
            return BUDGET // (cores() + 1)  # unknown before it is here
        return pixels(job.source) * (request.upscale or 1) ** 2

    # Where several photos are under way, one thread for each wastes the least; a photo that is
    # alone, or too large to share, gets all threads. The first stands for the others.
    together = len(jobs) > 1 and weigh(jobs[0]) * cores() <= BUDGET
    observer = _observer(request.observe)
    photos = Photos(load(cores() if together else 1), request.upscale, request.quality, observer)
    with Progress(len(jobs), "Sharpening", "photos") as progress:

        def report(outcome: Outcome) -> None:
            take(outcome, progress.log)
            progress.step()

        run(jobs, photos, weigh, report, workers=cores() + 1)  # one waits for the disk


def _is_far(request: Request, jobs: Sequence[Job]) -> bool:
    """Whether a cluster is to do it. What it may do twice must do no harm by that."""
    if cluster_address() is None or len(jobs) < 2:
        return False
    if request.out is None or request.observe:
        why = "--in-place" if request.out is None else "--observe"
        print(f"kdsharp: {why} is done on this machine alone, not on the cluster", file=sys.stderr)
        return False
    return True


def _observer(folder: Path | None) -> "Observer | None":
    if folder is None:
        return None
    from kdsharp.observe.observer import Observer

    return Observer(folder, "sharpen")


def _is_video(job: Job) -> bool:
    return job.source.suffix.lower() in VIDEO_SUFFIXES


def _check_media(request: Request, jobs: Sequence[Job]) -> None:
    """Refuse options that are for photos only where there are videos."""
    for job in jobs:
        video = _is_video(job)
        if not job.problem and video != (job.target.suffix.lower() in VIDEO_SUFFIXES):
            words = ("a video", "a photo") if video else ("a photo", "a video")
            raise UserError(f"{job.source}: is {words[0]}, and {job.target} would be {words[1]}")
        if video and request.out is None:
            raise UserError(f"{job.source}: is a video, but --in-place is for photos only")
        far = [path for path in (job.source, job.target) if in_bucket(path)]
        if far and (video or request.out is None or request.observe):
            what = "a video" if video else "--observe" if request.observe else "--in-place"
            raise UserError(f"{far[0]}: is in a bucket, and {what} needs files of this machine")


def _form(form: str | None) -> str | None:
    if form is None:
        return None
    plain = form.lower().removeprefix(".")
    if f".{plain}" not in SUFFIXES:
        raise UserError(f"format {form!r} is unknown: choose {USUAL.replace('.', '')}")
    return plain


def _check_table(table: Path | None) -> None:
    """Fail before hours of work rather than after."""
    if table and not (table.parent.is_dir() and os.access(table.parent, os.W_OK)):
        raise UserError(f"{table}: its folder does not exist or cannot be written to")
    if table and table.is_dir():
        raise UserError(f"{table}: is a folder: name a file")


def _failure(outcome: Outcome) -> str:
    """One line that names the file, as some errors already do."""
    names = [" ".join(str(p).split()) for p in (outcome.job.source, outcome.job.target)]
    message = outcome.done.message
    return message if any(name in message for name in names) else f"{names[0]}: {message}"


def _tell(outcomes: Sequence[Outcome], seconds: float, tell: Callable[[str], None]) -> None:
    if len(outcomes) == 1:
        (outcome,) = outcomes
        more = f", {outcome.done.message}" if outcome.done.message else ""
        if outcome.done.status == "left as it is":
            more += f": no model is expected to improve it; {HINT}"
        tell(f"{outcome.job.target}: {outcome.done.status}, {seconds:.1f} s{more}")
        return
    for line in summary(outcomes, seconds):
        tell(line)
    if any(outcome.done.status == "left as it is" for outcome in outcomes):
        tell(f"left as it is: no model is expected to improve them; {HINT}")
    failed = [outcome for outcome in outcomes if outcome.code]
    if failed:
        error = (
            UserError if all(one.code == UserError.exit_code for one in failed) else KdsharpError
        )
        raise error(f"{len(failed)} of {len(outcomes)} photos failed, see above; the rest are done")
