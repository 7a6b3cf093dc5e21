"""Write the page, the models, the gallery and the docs as plain files, for any host of such.

    python scripts/plain_site.py               # into site/
    python scripts/plain_site.py --out DIR     # into another folder, which is replaced

Nothing in it needs a service: pictures and video are sharpened in the visitor's browser. Addresses
are relative, so that it may lie under any path. The last run's report and the history of promotions
are in it where this checkout has them.
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from markdown_pages import Page, render, templated

from kdsharp.errors import UserError
from kdsharp.export.targets import export
from kdsharp.runtime.card import CARD, Card, read_card
from kdsharp.runtime.catalog import DEFAULT, SHIPPED, shipped_models

__all__ = ["build", "main"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "kdsharp" / "serve" / "page"
MARK = "<!-- more views -->"
KIND = '<meta name="kdsharp" content="service">'
REPORTS: Mapping[str, str] = {
    "report.html": "The last run's report",
    "comparison": "",
    "promotion": "Promotions",
}
"""What of `reports/` goes along; with a title what is linked."""

GALLERY: Mapping[str, tuple[str, str]] = {
    "before-after.png": ("A photo that was enlarged by 2, before and after", "docs/sharpen"),
    "panel.jpg": ("A test photo: input, teacher, student, ground truth", "docs/student"),
    "page.png": ("The page: before and after in step", "docs/page"),
    "live.png": ("The camera's picture, sharpened in the browser", "docs/page"),
    "front.png": ("How good and how quick the students are, beside others", "docs/front"),
    "robustness.png": ("What they gain on many kinds of input", "docs/robustness"),
    "degradations.png": ("What the recipes of the degradations do", "docs/robustness"),
    "mpv.jpg": ("mpv without the shader, and with it", "docs/players"),
    "decision.png": ("A decision of the gate", "docs/promotion"),
}
"""Pictures of docs/images: what they show, and the page that tells more."""

HEADERS = """\
/*
  Cross-Origin-Opener-Policy: same-origin
  Cross-Origin-Embedder-Policy: require-corp
"""
"""For hosts that read a file of this name and form: with both, WASM has threads."""


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "site")
    out = parser.parse_args().out
    try:
        build(out)
    except UserError as error:
        print(f"site: {error}", file=sys.stderr)
        return 1
    size = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    print(f"Wrote {out}: {size / 1e6:.0f} MB. To look at it: python -m http.server -d {out}")
    return 0


def build(out: Path) -> None:
    """Write the site to `out`, which appears as a whole, in the place of what was there.

    Raises `UserError` if the page was not built, or if something else lies in `out`.
    """
    if not (PAGE / "index.html").is_file():
        raise UserError(f"{PAGE}: the page is missing: make web")
    if out.exists() and any(out.iterdir()) and not (out / "models" / "index.json").is_file():
        raise UserError(f"{out}: is no site: name an empty folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".site-") as made:
        whole = Path(made) / "site"
        shutil.copytree(PAGE, whole)
        _models(whole / "models")
        (whole / "_headers").write_text(HEADERS, encoding="utf-8")
        links = {"Gallery": "gallery.html", "Docs": "README.html", **dict(_reports(whole))}
        _start(whole, links)
        for page in _pages():
            _docs(page, whole, links)
        shutil.rmtree(out, ignore_errors=True)
        whole.rename(out)


def _models(folder: Path) -> None:
    """Each model as the page takes it, and the list of them."""
    found = []
    for name in shipped_models():
        card, to = read_card(SHIPPED / name), folder / name
        if card.mixture is not None:
            continue
        to.mkdir(parents=True)
        for target in ("webgl2", "wgsl"):
            export(SHIPPED / name, target, to / f"{target}.js")
        shutil.copy(SHIPPED / name / card.file, to / "student.onnx")
        shutil.copy(SHIPPED / name / CARD, to / CARD)
        found.append(_entry(name, card))
    found.sort(key=lambda entry: (entry["scale"], entry["card"]["macs_per_pixel"]))
    listed = {"models": found, "default": DEFAULT}
    (folder / "index.json").write_text(json.dumps(listed), encoding="utf-8")


def _entry(name: str, card: Card) -> dict[str, Any]:
    student = card.lineage.get("student", {})
    return {
        "name": name,
        "version": card.sha256[:12],
        "scale": card.scale,
        "channels": student.get("channels"),
        "convs": student.get("convs", 3),
        "receptive_radius": card.receptive_radius,
        "card": json.loads((SHIPPED / name / CARD).read_text(encoding="utf-8")),
    }


def _reports(whole: Path) -> Iterator[tuple[str, str]]:
    """Copies what there is of the last run; yields its links."""
    for name, title in REPORTS.items():
        source, to = ROOT / "reports" / name, whole / "reports" / name
        if source.is_dir():
            shutil.copytree(source, to)
            pages = sorted(to.rglob("*.html"), key=lambda path: path.stat().st_mtime)
            if title and pages:
                yield title, pages[-1].relative_to(whole).as_posix()
        elif source.is_file():
            to.parent.mkdir(exist_ok=True)
            shutil.copy(source, to)
            yield title, f"reports/{name}"


def _start(whole: Path, links: Mapping[str, str]) -> None:
    """The page itself, told that no service is there, with links to the rest."""
    text = (whole / "index.html").read_text(encoding="utf-8")
    more = "\n        ".join(f'<a href="{to}">{title}</a>' for title, to in links.items())
    text = text.replace(KIND, KIND.replace("service", "static")).replace(MARK, more)
    (whole / "index.html").write_text(text, encoding="utf-8")
    figures = "\n".join(
        f'<figure><img src="docs/images/{name}" alt="" loading="lazy">'
        f'<figcaption><a href="{page}.html">{words}</a></figcaption></figure>'
        for name, (words, page) in GALLERY.items()
        if (ROOT / "docs" / "images" / name).exists()
    )
    body = f"<h1>Gallery</h1>\n{figures}"
    page = templated("Gallery", body, links, depth=0)
    (whole / "gallery.html").write_text(page, encoding="utf-8")


def _pages() -> list[Path]:
    """The Markdown that becomes pages, each at its own place below the site."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    more = [*(ROOT / "docs").glob("*.md"), *SHIPPED.rglob("*.md"), ROOT / "data/teachers/README.md"]
    return [path for path in [*top, *sorted(more)] if path.is_file()]


def _docs(source: Path, whole: Path, links: Mapping[str, str]) -> None:
    place = source.relative_to(ROOT)
    known = {path.relative_to(ROOT) for path in _pages()}
    page: Page = render(source.read_text(encoding="utf-8"), place, known)
    to = (whole / place).with_suffix(".html")
    to.parent.mkdir(parents=True, exist_ok=True)
    depth = len(place.parts) - 1
    to.write_text(templated(page.title, page.body, links, depth), encoding="utf-8")
    for picture in {*page.pictures, *(Path("docs/images") / name for name in GALLERY)}:
        if (ROOT / picture).is_file() and not (whole / picture).exists():
            (whole / picture).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / picture, whole / picture)


if __name__ == "__main__":
    sys.exit(main())
