"""The static site, as a host of plain files serves it."""

import re
import urllib.request

import pytest

from kdsharp.runtime.catalog import SHIPPED
from tests.integration.browsing import READY, ROOT, browsing

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_every_link_of_the_site_leads_somewhere(site):
    seen, left = set(), [site]
    while left:
        address = left.pop()
        seen.add(address)
        with urllib.request.urlopen(address) as answer:
            text = answer.read().decode() if "html" in answer.headers["Content-Type"] else ""
        for found in re.findall(r'(?:href|src)="([^"#][^"]*)"', text):
            target = urllib.request.urljoin(address, found.partition("#")[0])
            if not re.match(r"(https?|mailto|data):", found) and target not in seen:
                left.append(target)
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {f"{site}docs/{name}.html" for name in pages} <= seen
    assert all(address.startswith(site) for address in seen)


def test_every_model_that_ships_is_on_the_site(site):
    with browsing(f"{site}#models") as page:
        page.wait_for_selector(READY)
        shown = set(page.locator("tbody button").all_inner_texts())
        assert shown == {path.parent.name for path in SHIPPED.glob("*/card.json")}
        page.get_by_role("button", name="nano-x2", exact=True).click()
        assert "3,492 parameters" in page.inner_text("#models [data-card]")


def test_the_bench_times_wasm(site):
    with browsing(f"{site}?bench=0.2&only=wasm") as page:
        page.wait_for_function("() => window.measured")
        rows = page.evaluate("window.measured")
        assert [row["name"] for row in rows] == ["wasm", "onnxruntime-web alone"]
        assert all(row["fps"] > 1 for row in rows)
