"""The built page is that of the sources in web/, which name no registry."""

import hashlib
import json
import re
from pathlib import Path

WEB = Path(__file__).parents[1] / "web"
PAGE = WEB.parent / "kdsharp" / "serve" / "page"
MOST = 12 * 2**20  # bytes of a file in git


def test_the_page_is_built_from_the_sources():
    """`make web` where it is not."""
    named = [WEB / name for name in ("build.mjs", "package.json", "package-lock.json")]
    below = sorted(str(path) for path in (WEB / "src").rglob("*") if path.is_file())
    found = hashlib.sha256()
    for path in [*named, *map(Path, below)]:
        found.update(f"{path.relative_to(WEB).as_posix()}\n".encode() + path.read_bytes())
    built = json.loads((PAGE / "sources.json").read_text(encoding="utf-8"))
    assert built == {"sha256": found.hexdigest()}


def test_the_lock_file_has_hashes_and_no_host():
    text = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert "://" not in text
    packages = json.loads(text)["packages"]
    named = {name: package for name, package in packages.items() if name}
    assert named
    assert all(package["integrity"].startswith("sha512-") for package in named.values())


def test_the_page_loads_nothing_from_elsewhere():
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|href)="(?:\w+:|/)', page)
    styles = (PAGE / "assets" / "style.css").read_text(encoding="utf-8")
    assert "url(" not in styles and "@import" not in styles


def test_the_page_keeps_to_its_policy_for_styles():
    """`style-src 'self'` forbids styles within the page."""
    page = (PAGE / "index.html").read_text(encoding="utf-8")
    assert "style=" not in page and "<style" not in page


def test_no_built_file_is_too_large_for_git():
    sizes = {path.name: path.stat().st_size for path in PAGE.rglob("*") if path.is_file()}
    assert max(sizes.values()) < MOST
    assert "film-worker.js" in sizes
