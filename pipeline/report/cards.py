"""One photo on the page: whole at a glance, and its detail in exact pixels."""

from pipeline.report.html import jpeg, png, signed, text
from pipeline.report.panel import mark, shrink
from pipeline.report.shown import TITLES, Shown

__all__ = ["card"]

_WHOLE = 720


def card(shown: Shown) -> str:
    """A figure: the student's whole picture with the detail marked, and the detail of all four."""
    name = text(shown.photo.name)
    width, height = shown.pictures["truth"].size
    whole = mark(shrink(shown.pictures["student"], _WHOLE), (width, height), shown.box)
    remark = f' <b class="remark">{text(shown.remark)}</b>' if shown.remark else ""
    about = f"{text(shown.photo.split)}, {width}x{height}"
    details = "\n".join(_detail(shown, key, title) for key, title in TITLES.items())
    return f"""<figure class="card">
<figcaption><b>{name}</b> <span>{about}</span>{remark}</figcaption>
<div class="pictures">
<div class="whole"><img src="{jpeg(whole)}" alt="{name}, sharpened by the student" /></div>
<div class="details">
{details}
</div></div></figure>"""


def _detail(shown: Shown, key: str, title: str) -> str:
    left, top, width, height = shown.box
    cut = shown.pictures[key].crop((left, top, left + width, top + height))
    alt = f"detail of {shown.photo.name}, {title}"
    scores = shown.scores.get(key)
    numbers = "PSNR / SSIM on Y"
    if scores:
        numbers = f"{scores['psnr_y']:.2f} / {scores['ssim_y']:.4f}"
        if key != "input":
            numbers += f" {signed(scores['gain_y'])}"
    return (
        f'<div class="detail"><img src="{png(cut)}" alt="{text(alt)}" />'
        f"<p><b>{text(title)}</b> <span>{numbers}</span></p></div>"
    )
