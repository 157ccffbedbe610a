# SPDX-License-Identifier: Apache-2.0
"""The HTML page: in a real browser, with its policy, its keys and its looks, and with hostile content.

`SEALGATE_SCREENSHOTS` names a folder that pictures are written to, to be looked at.
"""

import io
import os
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from browser import PROGRAM, Browser, Page
from sample_result import GENERIC, OLD, PAT, RAW, finding, make_result, two_halves

from scanner.model import Gap, Provenance, ScanResult
from scanner.reports import page as html
from scanner.reports.options import ReportOptions

real = pytest.mark.skipif(PROGRAM is None, reason="no Chromium is installed")

HOSTILE = [
    b"<script>document.title = 'owned'</script>",
    b"<img src=x onerror=\"document.title='owned'\">",
    b'"><svg onload=alert(1)>',
    b"'><a href='javascript:alert(1)'>x</a>",
    b"</pre></code></article></main><h1>clean: no findings</h1>",
    b"</script><script src=https://example.com/x.js></script>",
    b"</style><style>body{display:none}</style>",
    b"&lt;b&gt; &#60;b&#62; &amp;",
    b"<!-- ",
    b"\xe2\x80\xaegnp.exe",
    b"\xff\xfe\x00<b>",
]


def text(result: ScanResult) -> str:
    out = io.StringIO()
    html.write(result, out, ReportOptions(show_secrets=True, finished=1_700_000_000))
    return out.getvalue()


def hostile_result() -> ScanResult:
    """Return a scan in which every text that can be chosen by a committer or a rule is hostile."""
    findings = []
    for number, raw in enumerate(HOSTILE):
        words = raw.decode("utf-8", "replace").replace("\x00", "")
        rule = PAT._replace(id=words, name=words, help=words, references=(f"https://example.com/{words}", "javascript:alert(1)"))
        who = Provenance("commit", "3" * 40, words, words, True, 1)
        findings.append(
            finding(rule, "pat", raw, 1, reason=words, redacted=words, excerpt=words, provenance=who, first=who, fingerprint=f"{number}{words}")
        )
    everywhere = HOSTILE[0].decode()
    gaps = (Gap("unreadable", everywhere, HOSTILE[1].decode()), Gap("submodule", everywhere, everywhere))
    return make_result(target=everywhere, findings=tuple(findings), gaps=gaps, notices=(everywhere,), ruleset=everywhere)


class Outline(HTMLParser):
    """Notes what a page has in it that could fetch, run or send."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.mark.parametrize("result", [make_result(), hostile_result(), make_result(findings=(), gaps=(), notices=())])
def test_nothing_but_itself(result: ScanResult) -> None:
    outline = Outline()
    outline.feed(text(result))
    assert outline.tags.count("script") == outline.tags.count("style") == 1
    assert not {"img", "link", "iframe", "object", "embed", "base", "svg"} & set(outline.tags)
    assert not [name for name, _ in outline.attributes if name.startswith("on") or name in ("src", "style", "action")]
    assert all((value or "").startswith(("#", "https://")) for name, value in outline.attributes if name == "href")


def test_values_are_redacted_whatever_is_asked(nasty: ScanResult) -> None:
    written = text(nasty)
    assert not [raw for raw in RAW.values() if raw.decode() in written]


def test_gaps_stand_before_findings(nasty: ScanResult) -> None:
    written = text(nasty)
    assert written.index("Not everything was scanned") < written.index("Left out knowingly") < written.index("<article")


def test_since_is_the_earliest_of_all_places() -> None:
    early = OLD._replace(author="Early Bird <early@example.com>", order=-5)
    places = (finding(PAT, "pat", b"a", 1), finding(PAT, "pat", b"b", 1, first=early))
    assert "Early Bird" in text(make_result(findings=places)).partition("<dt>Since</dt>")[2].partition("</dd>")[0]


def test_an_identifier_stands_with_its_secret() -> None:
    written = text(two_halves())
    assert written.count("<article") == 1
    assert written.count("on line 2 (it belongs to account 7)") == 2
    assert "<b> acme" not in written


def test_many_places_and_gaps_are_folded_not_lost() -> None:
    places = tuple(finding(PAT, "pat", b"place-%d" % number, 1) for number in range(50))
    gaps = tuple(Gap("unreadable", f"gap-{number}", "Permission denied") for number in range(50))
    written = text(make_result(findings=places, gaps=gaps))
    assert "and 30 more places</summary>" in written
    assert all(f"place-{number}:1:9" in written and f"gap-{number}<" in written for number in range(50))


# In a browser.

Open = Callable[..., Page]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser(tmp_path_factory.mktemp("profile"))
    yield started
    started.close()


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Open]:
    """Return a function that opens a result's report."""
    pages = []

    def opened(result: ScanResult, **options: Any) -> Page:
        file = tmp_path / "report.html"
        file.write_text(text(result), encoding="ascii")
        pages.append(Page(browser, file, **options))
        return pages[-1]

    yield opened
    for page in pages:
        page.close()


SHOWN = "[...document.querySelectorAll('article')].filter(a => a.checkVisibility()).map(a => a.querySelector('h3').textContent)"
COUNT = "document.getElementById('count').textContent"


@real
def test_opens_without_a_complaint_or_a_request(show: Open, nasty: ScanResult) -> None:
    page = show(nasty)
    assert len(page.value(SHOWN)) == 5
    assert page.value(COUNT) == "5 of 5 shown"
    assert page.complaints() == []
    assert [address.rpartition("/")[2] for address in page.requests()] == ["report.html"]


@real
def test_hostile_content_is_text(show: Open) -> None:
    page = show(hostile_result())
    assert page.complaints() == []
    assert len(page.requests()) == 1
    assert page.value("document.title").startswith("Sealgate: ")
    assert page.value("document.querySelectorAll('script').length") == 1
    assert page.value("document.querySelectorAll('main img, main svg, main script, main style, main h1').length") == 0
    shown = page.value("[...document.querySelectorAll('.places code')].map(c => c.textContent)")
    assert "<script>document.title = 'owned'</script>:1:9" in shown
    assert page.value("[...document.querySelectorAll('main a')].every(a => a.hash || a.origin === 'https://example.com')")


@real
def test_the_policy_refuses_what_is_not_ours(show: Open, clean: ScanResult) -> None:
    page = show(clean)
    page.value(
        "{ const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s);"
        " const i = document.createElement('img'); i.src = 'https://example.com/x.png'; document.body.append(i);"
        " document.body.setAttribute('style', 'color: red'); fetch('https://example.com/').catch(() => 0) }"
    )
    page.settle()
    assert page.value("window.ran") is None
    assert {"script-src-elem", "img-src", "style-src-attr", "connect-src"} <= set(page.value("window.refused"))


@real
def test_filters(show: Open, nasty: ScanResult) -> None:
    page = show(nasty)
    assert page.value("document.getElementById('filters').checkVisibility()")
    choose = "filters.elements.%s.value = '%s'; filters.dispatchEvent(new Event('input', {bubbles: true}))"
    page.value(choose % ("severity", "high"))
    page.settle()
    assert len(page.value(SHOWN)) == 2
    page.value(choose % ("state", "head"))
    page.settle()
    assert [heading.split("  ")[0][:30] for heading in page.value(SHOWN)] == ["high high confidence Private k"]
    page.value("document.querySelector('button[type=reset]').click()")
    page.settle()
    assert page.value(COUNT) == "5 of 5 shown"
    page.value("filters.elements.fails.click()")
    page.settle()
    assert page.value(COUNT) == "4 of 5 shown"


@real
def test_keys(show: Open, nasty: ScanResult) -> None:
    page = show(nasty)
    page.press("/", "/")
    page.write("github bob")
    assert page.value("document.activeElement.name") == "text"
    assert page.value("document.activeElement.value") == "github bob"
    assert page.value(COUNT) == "1 of 5 shown"
    page.press("Escape")
    page.settle()
    assert page.value(COUNT) == "5 of 5 shown"
    page.value("document.activeElement.blur()")
    reached = []
    for key in "jjjk":
        page.press(key, key)
        reached.append(page.value("document.activeElement.id"))
    assert reached == ["s1", "s2", "s3", "s2"]
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") != "none"


@real
def test_the_first_tab_leads_past_the_head(show: Open, nasty: ScanResult) -> None:
    page = show(nasty)
    page.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert page.value("document.activeElement.className") == "skip"
    assert page.value("document.activeElement.getBoundingClientRect().left >= 0")


@real
def test_without_script_everything_is_there_and_no_filter(show: Open, nasty: ScanResult) -> None:
    page = show(nasty, script=False)
    tree = page.call("DOMSnapshot.captureSnapshot", computedStyles=["display"])
    strings = tree["strings"]
    names = [strings[number] for number in tree["documents"][0]["nodes"]["nodeName"]]
    laid_out = [names[number] for number in tree["documents"][0]["layout"]["nodeIndex"]]
    assert laid_out.count("ARTICLE") == 5
    assert "FORM" not in laid_out


# The colours of every piece of text and of what lies behind it, as WCAG 2.2 (1.4.3) reckons them.
CONTRASTS = """
(() => {
  const parse = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = parse(getComputedStyle(e).backgroundColor);
      if (color.length < 4 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const poor = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest('script, option') || !element.checkVisibility()) continue;
    const pair = [light(parse(getComputedStyle(element).color)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + .05) / (pair[1] + .05);
    if (ratio < 4.5) poor.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return poor;
})()
"""


@real
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accessible(show: Open, nasty: ScanResult, clean: ScanResult, scheme: str) -> None:
    page = show(nasty, scheme=scheme)
    assert page.value("[...document.querySelectorAll('input, select')].every(e => e.labels.length === 1)")
    assert page.value("document.documentElement.lang") == "en"
    assert page.value("document.querySelectorAll('h1').length") == 1
    levels = page.value("[...document.querySelectorAll('h1, h2, h3')].map(h => +h.tagName[1])")
    assert all(second <= first + 1 for first, second in zip(levels, levels[1:], strict=False))
    ids = "[...document.querySelectorAll('[id]')].map(e => e.id)"
    assert page.value(f"new Set({ids}).size === {ids}.length")
    assert page.value("[...document.querySelectorAll('[aria-labelledby]')].every(e => document.getElementById(e.getAttribute('aria-labelledby')))")
    assert page.value(CONTRASTS) == []
    assert show(clean, scheme=scheme).value(CONTRASTS) == []


@real
def test_light_and_dark_differ(show: Open, nasty: ScanResult) -> None:
    page = show(nasty)
    background = "getComputedStyle(document.body).backgroundColor"
    assert page.value(background) == "rgb(255, 255, 255)"
    page.media("screen", "dark")
    assert page.value(background) == "rgb(20, 24, 29)"


@real
@pytest.mark.parametrize("width", [320, 390, 768])
def test_nothing_sticks_out_on_a_narrow_screen(show: Open, nasty: ScanResult, width: int) -> None:
    wide = nasty._replace(findings=(*nasty.findings, finding(GENERIC, "pat", b"d" * 300, 1, fingerprint="a" * 64)))
    page = show(wide, width=width)
    assert page.value("document.documentElement.scrollWidth <= innerWidth")


@real
def test_on_paper(show: Open, nasty: ScanResult) -> None:
    page = show(nasty)
    pages = len(re.findall(rb"/Type\s*/Page[^s]", page.pdf()))
    assert 2 <= pages <= 10
    page.media("print", "dark")
    assert page.value("getComputedStyle(document.getElementById('filters')).display") == "none"
    assert page.value("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.value(CONTRASTS) == []
    # What was folded away was opened for it.
    assert page.value("[...document.querySelectorAll('details')].every(d => d.open)")


@real
def test_many_results_open_and_filter(show: Open) -> None:
    many = tuple(finding(PAT, "pat", b"folder/%05d.py" % n, n + 1, fingerprint=f"{n:032x}") for n in range(25_000))
    page = show(make_result(findings=many))
    assert page.value(COUNT) == "25,000 of 25,000 shown"
    page.press("/", "/")
    page.write("folder/24999")
    assert page.value(COUNT) == "1 of 25,000 shown"


@real
@pytest.mark.skipif("SEALGATE_SCREENSHOTS" not in os.environ, reason="SEALGATE_SCREENSHOTS names no folder for pictures")
def test_pictures(show: Open, nasty: ScanResult, clean: ScanResult) -> None:
    folder = Path(os.environ["SEALGATE_SCREENSHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    for name, result, options in (
        ("light", nasty, {}),
        ("dark", nasty, {"scheme": "dark"}),
        ("narrow", nasty, {"width": 390}),
        ("clean", clean, {}),
        ("hostile", hostile_result(), {}),
    ):
        show(result, **options).screenshot(folder / f"{name}.png")
    page = show(nasty, width=800)
    page.media("print")
    page.screenshot(folder / "print.png")
