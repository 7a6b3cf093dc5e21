"""The page that a run writes: goals, quality and latency as Markdown, and every number as CSV."""

import csv
import io

from benchmarks.common.photos import Quality
from benchmarks.common.timing import Timing
from benchmarks.front.goals import check_goals
from benchmarks.front.published import MARKS, Published, load_published
from benchmarks.front.results import Found, Row, quickest
from kdsharp.tables import markdown

__all__ = ["csv_text", "page"]

_HERE = "here"
_GOALS = """\
Milliseconds are marks for an idle machine of two cores with VNNI; a time beside another is a ratio
within one run. Quality is that of the int8 file in OpenVINO.

Video has its pages: what video calls gain, and how far that is from its goal of 0.9 dB, is in
[the robustness table](robustness-table.md#goals), and frames per second, beside FFmpeg's unsharp
filter, are in [speed.md](speed.md)."""
_READING = """\
- **Input.** Shrunk with Pillow's bicubic (equal to MATLAB's), as papers do it. How the low-quality
  picture is made decides the ranking: on pictures shrunk in another way, or stored as JPEG, these
  networks stand in another order.
- **Quality.** PSNR in dB and SSIM on Y (BT.601, 16 to 235), a border of `scale` pixels left out,
  means over the photos, output rounded to 8 bit. A set that is not whole says how many photos
  were taken, and no published numbers stand in its column.
- **int8 of ECBSR, ETDS and ESPCN.** Made here, in the form of the students' files, from the least
  and the largest values on the sample's photos, after channels were brought to one range. More care
  might raise its quality; the time would stay.
- **From.** `here`: measured in this run. {marks}.
- **GMAC.** Multiply-accumulates in thousands of millions for an output of 1280x720, biases not
  counted; the published ones as their authors count them.
"""
_TIMES = """\
- **Time.** Median in milliseconds for one plane (luma; three for an RGB network) at the size of the
  output, 8-bit planes for int8 and float32 planes for fp32. FSRCNN, ESPCN, ECBSR and ETDS begin
  with what is small and enlarge; everything else begins with a plane that was enlarged before, and
  the time of that is the row of bicubic. ECBSR, ETDS and the retrained ESPCN handle three planes of
  RGB; everything else handles luma, and colour has only been enlarged. Reading files and colour
  conversion are not in it.
- **How it was timed.** In rounds: every method, engine and thread number has its turn in each, so
  that a slower or busier moment hits all alike. A turn loads the model, makes a call that is not
  counted, and then up to five that are.
- **Of peak.** GMAC/s divided by what the quickest engine here reached on convolutions made to be
  quick (three of 256 to 256 channels, 3x3, on 48x48 pixels, which fit into the caches), in the same
  rounds, precision and number of threads. That is a measured rate and not the processor's paper
  limit, which is higher: {peaks}.
"""


def page(found: Found, image: str | None) -> str:
    """The whole page; `image` is the plot's path as seen from it."""
    marks = "; ".join(f"`{mark}`: {meaning}" for mark, meaning in MARKS.items())
    parts = ["# The quality / latency front", "\n".join(f"- {line}" for line in found.about)]
    if image:
        parts.append(f"![Quality beside computation and time]({image})")
    parts += ["## Goals", _GOALS, _goals(found)]
    for scale in found.scales:
        parts += [f"## x{scale}: quality", _quality(found, scale)]
        if latency := _latency(found, scale):
            parts += [f"## x{scale}: latency", latency]
    reading = _READING.format(marks=marks)
    if found.sizes:
        reading += _TIMES.format(peaks=_peaks(found))
    parts += ["## How to read it", reading.rstrip()]
    if found.notes:
        parts += ["## Left out", "\n".join(f"- {note}" for note in found.notes)]
    return "\n\n".join(parts) + "\n"


def csv_text(found: Found) -> str:
    """Every timing and every quality, one line for each method, thread number and size."""
    head = ["scale", "method", "engine", "precision", "parameters", "gmac_720p", "bytes"]
    sets = [f"{metric} {name}" for name in found.sets for metric in ("psnr", "ssim")]
    timed = ["threads", "size", "median_ms", "min_ms", "q1_ms", "q3_ms", "calls"]
    timed += ["gmac_s", "of_peak"]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head + sets + timed)
    for row in found.rows:
        method = row.method
        about: list[object] = [method.scale, method.name, method.engine, method.precision]
        about += [method.parameters, _rounded(row.gmac), method.size]
        quality = [row.quality.get(name) for name in found.sets]
        scores = [f"{v:.4f}" if v is not None else "" for q in quality for v in _pair(q)]
        for (threads, size), timing in row.times.items() or [((0, ""), None)]:
            rates = (row.rate(threads, size), _share(found, row, threads, size))
            times = [threads or "", size, *_numbers(timing), *map(_rounded, rates)]
            writer.writerow([*about, *scores, *times])
    return text.getvalue()


def _goals(found: Found) -> str:
    answers = {True: "yes", False: "**no**", None: "not known"}
    rows = [(v.what, v.aim, v.found, answers[v.reached], v.by) for v in check_goals(found)]
    return markdown(("", "goal", "found", "reached", "found - goal"), rows)


def _quality(found: Found, scale: int) -> str:
    threads, size = max(found.threads, default=0), next(iter(found.sizes), "")
    head = ["", "from", "precision", "parameters", "GMAC", "file KB", *found.sets]
    if found.sizes:
        head += [f"ms {size}, {threads} thread{'s' * (threads > 1)}", "engine"]
    best = quickest(found.of(scale), threads, size)
    rows = [_measured(found, row, threads, size) for row in best]
    cited = [p for p in load_published() if p.scale == scale and set(p.psnr) & set(found.sets)]
    rows += [_cited(found, peer) for peer in cited]
    return markdown(head, rows)


def _measured(found: Found, row: Row, threads: int, size: str) -> list[str]:
    method = row.method
    cells = [method.name, _HERE, method.precision, _count(method.parameters), _number(row.gmac, 2)]
    cells.append(_number(method.size and method.size / 1000, 0))
    cells += [_score(row.quality.get(name)) for name in found.sets]
    if method.group == "ours":
        cells[0] = f"**{method.name}**"
    return cells + ([_number(row.ms(threads, size), 1), method.engine] if found.sizes else [])


def _cited(found: Found, peer: Published) -> list[str]:
    cells = [peer.name, peer.mark, "fp32", _count(peer.parameters), _number(peer.gmac, 1), ""]
    for name in found.sets:
        score = f"{peer.psnr[name]:.2f}" if name in peer.psnr else ""
        cells.append(score + (f" / {peer.ssim[name]:.4f}" if name in peer.ssim else ""))
    return cells + (["", ""] if found.sizes else [])


def _latency(found: Found, scale: int) -> str:
    head = ["", "engine", "precision", "threads"]
    for size in found.sizes:
        head += [f"{size} ms", "min", "quartiles", "GMAC/s", "of peak"]
    rows = []
    for row in found.of(scale):
        method = row.method
        for threads in dict.fromkeys(threads for threads, _ in row.times):
            cells = [method.name, method.engine, method.precision, str(threads)]
            for size in found.sizes:
                cells += _timed(found, row, threads, size)
            rows.append(cells)
    return markdown(head, rows) if rows else ""


def _timed(found: Found, row: Row, threads: int, size: str) -> list[str]:
    timing = row.times[threads, size]
    share = _share(found, row, threads, size)
    return [
        f"{timing.median:.1f}",
        f"{timing.least:.1f}",
        f"{timing.low:.1f} to {timing.high:.1f}",
        _number(row.rate(threads, size), 0),
        "" if share is None else f"{share:.0%}",
    ]


def _share(found: Found, row: Row, threads: int, size: str) -> float | None:
    rate = row.rate(threads, size)
    peak = found.peaks.get((row.method.scale, row.method.precision, threads))
    return rate / peak if rate and peak else None


def _peaks(found: Found) -> str:
    """The denominators, from the first turn that has them."""
    scale = found.scales[0]
    rates = [(key[1:], rate) for key, rate in found.peaks.items() if key[0] == scale]
    return ", ".join(
        f"{rate:.0f} GMAC/s in {precision} ({threads} thread{'s' * (threads > 1)})"
        for (precision, threads), rate in sorted(rates)
    )


def _score(quality: Quality | None) -> str:
    return "" if quality is None else f"{quality.psnr:.2f} / {quality.ssim:.4f}"


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _rounded(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _pair(quality: Quality | None) -> tuple[float | None, float | None]:
    return (None, None) if quality is None else (quality.psnr, quality.ssim)


def _numbers(timing: Timing | None) -> list[str]:
    if timing is None:
        return [""] * 5
    values = (timing.median, timing.least, timing.low, timing.high)
    return [f"{value:.3f}" for value in values] + [str(timing.calls)]
