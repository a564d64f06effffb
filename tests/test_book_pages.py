"""The built book in a browser without a network: nothing is fetched, nothing clipped, everything has a name.

Needs `make book` first, and a Chromium.
"""

import json
from pathlib import Path

import pytest

from tests.browser import CHROMIUM, WHY_NOT

ROOT = Path(__file__).parents[1]
SOURCES, SITE = ROOT / "docs" / "book", ROOT / "build" / "book"
PAGES = sorted(source.stem for source in SOURCES.glob("*.md"))
SCREENS = {"desktop": (1280, 900), "phone": (390, 844)}

# Everything that is wrong with a page, each with what it is about. `opened` are the folded parts of the code.
FAULTS = r"""
(() => {
  const all = what => [...document.querySelectorAll(what)], text = e => e.textContent.trim().slice(0, 60);
  const faults = [], note = (what, list) => faults.push(...list.map(e => `${what}: ${e}`));
  all("article details").forEach(e => { e.open = true; });
  const desktop = innerWidth > 1000, root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push("the page scrolls sideways");
  const wide = e => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 0;
  note("scrolls sideways", all(desktop ? "article pre, .formula" : ".formula").filter(wide).map(text));
  note("is cut off above or below", all(".formula").filter(e => e.scrollHeight > e.clientHeight + 1).map(text));
  const named = e => e.getAttribute("aria-label") || e.getAttribute("alt");
  note("has no text alternative", all("article img, article figure svg").filter(e => !named(e)).map(e => e.outerHTML));
  note("has no caption", all("article figure.drawn").filter(e => !e.querySelector("figcaption")).map(text));
  const ids = all("[id]").map(e => e.id);
  note("is the name of two things", ids.filter((id, k) => ids.indexOf(id) !== k));
  const inside = all("article a[href^='#']").map(e => decodeURIComponent(e.hash.slice(1)));
  note("leads nowhere", inside.filter(id => id && !document.getElementById(id)));
  const label = e => e.innerText.trim() || e.getAttribute("aria-label") || e.title || e.placeholder;
  note("says nothing", all("a[href], button, summary, input[type=search]").filter(
    e => e.checkVisibility() && !label(e) && !e.querySelector("img[alt], svg")).map(e => e.outerHTML));
  const levels = all("article h1, article h2, article h3").map(e => +e.tagName[1]);
  if (levels.filter(level => level === 1).length !== 1) faults.push("not one title");
  if (levels.some((level, k) => k && level > levels[k - 1] + 1)) faults.push("a heading is left out");
  if (!root.lang || !document.title) faults.push("no language or no title");
  const fetched = performance.getEntriesByType("resource").map(e => e.name);
  note("is fetched from elsewhere", fetched.filter(url => !/^(file|data):/.test(url)));
  return faults.map(fault => fault.replace(/[\ud800-\udfff]/g, "?"));
})()
"""


def why_not() -> str:
    """Why the pages cannot be looked at, or ""."""
    if not CHROMIUM:
        return WHY_NOT
    built = SITE / "index.html"
    newest = max(file.stat().st_mtime for file in SOURCES.iterdir() if file.is_file())
    if not built.exists() or built.stat().st_mtime < newest:
        return "build/book is not there or older than docs/book: make book"
    return ""


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


@pytest.fixture(autouse=True)
def offline(browser):
    browser.send("Network.enable")
    browser.send("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)


@pytest.mark.parametrize(("screen", "scheme"), list(zip(SCREENS, ("light", "dark"), strict=True)))
def test_every_page_is_whole_and_fetches_nothing(browser, screen, scheme):
    width, height = SCREENS[screen]
    browser.resize(width, height, mobile=screen == "phone")
    browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    faults = {}
    for page in PAGES:
        browser.open(SITE / f"{page}.html")
        faults[page] = browser.run(FAULTS)
    assert {page: found for page, found in faults.items() if found} == {}
    assert browser.problems == []


def test_the_faults_are_seen(browser, tmp_path):
    page = tmp_path / "bad.html"
    page.write_text(
        '<meta charset="utf-8"><style>* { margin: 0 } .formula { width: 9em; height: 1em; overflow: auto }</style>'
        '<article><h1>Bad</h1><h3 id="a">Too low</h3><p id="a"></p><pre style="overflow: auto">' + 500 * "x" + "</pre>"
        '<div class="formula"><p style="width: 20em; height: 3em">f</p></div><figure class="drawn"><svg></svg></figure>'
        '<a href="#nowhere"></a><img src="http://nowhere.invalid/x.png"></article>'
    )
    browser.resize(1280, 900)
    browser.open(page)
    seen = json.dumps(browser.run(FAULTS))
    browser.problems.clear()
    for what in (
        "scrolls sideways: xxx",
        "scrolls sideways: f",
        "is cut off",
        "no text alternative: <svg",
        "no text alternative: <img",
        "no caption",
        "two things: a",
        "leads nowhere: nowhere",
        "says nothing",
        "a heading is left out",
        "no language",
        "from elsewhere: http://nowhere.invalid",
    ):
        assert what in seen, seen


def test_the_solution_opens_by_keyboard(browser):
    browser.resize(1280, 900)
    browser.open(SITE / "01-dx.html")
    browser.run("[...document.querySelectorAll('article summary')].at(-1).focus()")
    assert browser.run("document.activeElement.innerText").strip().startswith("Solution")
    browser.press("Enter")
    browser.wait_for("[...document.querySelectorAll('article details')].at(-1).open")
