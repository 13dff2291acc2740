"""The page as text and in a browser."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser

from fastsfes import Functional, InputError
from fastsfes.cli import main
from fastsfes.functionals.names import display_name, refitted
from fastsfes.report import read_report, render
from fastsfes.report.draw.axis import number
from fastsfes.report.sections.parts import error_text, series
from fastsfes.run.final import PUBLISHED, baselines
from fastsfes.run.search import Run

SECTIONS = ["formula", "accuracy", "factors", "search", "insight", "health", "validation", "origin"]
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">'&"


class Page(HTMLParser):
    """Elements and their attributes, the text of the elements, and the embedded data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data + " "


def test_the_page_needs_nothing_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parsed = Page(text)
    assert [a["id"] for t, a in parsed.elements if t == "section"] == SECTIONS
    for name, attributes in parsed.elements:
        assert name not in ("link", "iframe", "object", "embed", "img", "base")
        assert "src" not in attributes
        href = attributes.get("href")
        assert href is None or href.startswith("#")
        assert not any(key.startswith("on") for key in attributes)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    assert "url(" not in style[1]
    assert "@import" not in style[1]
    targets = {a["id"] for _, a in parsed.elements if a.get("id")}
    assert {a["href"][1:] for t, a in parsed.elements if t == "a" and a.get("href")} <= targets


def test_the_figures_are_those_of_the_run(page: Path, run: Run) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    data = read_report(page)
    assert data["summary"] == run.summary
    assert Functional.from_dict(data["functional"]) == run.best
    for row in run.summary["report"]["rows"]:
        assert display_name(row["name"]) in parsed.text
        for split in ("train", "validation", "test"):
            assert f"{row[split]:.4f}" in parsed.text
    for channel in run.best.channels.values():
        for value in channel.parameters.values():
            assert repr(value) in parsed.text
    for group in data["errors"]["groups"]:
        if group["kind"] == "type":
            assert group["name"] in parsed.text
            assert error_text(group["statistics"][0]["rmsd"]) in parsed.text
    for parameter in data["insight"]["uncertainties"]["parameters"]:
        assert f"± {number(parameter['standard_error'], 2)}" in parsed.text
    for term in data["insight"]["terms"]["terms"]:
        assert error_text(term["refitted"]["train"]) in parsed.text
    passed = sum(row["passed"] is True for row in data["health"]["rows"])
    assert f"{passed} of {sum(row['passed'] is not None for row in data['health']['rows'])}" in parsed.text
    marks = [a.get("aria-label") for _, a in parsed.elements if a.get("class") in ("pass", "fail")]
    rows = [data["health"]["rows"], *data["health"]["beside"].values()]
    assert marks.count("passes") == sum(r["passed"] is True for checks in rows for r in checks)
    assert marks.count("fails") == sum(r["passed"] is False for checks in rows for r in checks)
    assert f"fastsfes validate {run.path}" in parsed.text  # how to get what is not there


def test_points_of_the_front_lead_to_their_rows_and_the_pick_is_marked(page: Path, run: Run) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    rows = {a["id"]: a for t, a in parsed.elements if t == "tr" and (a.get("id") or "").startswith("member-")}
    assert set(rows) == {f"member-{m['index']}" for m in run.members}
    links = [a["href"] for t, a in parsed.elements if t == "a" and (a.get("href") or "").startswith("#member-")]
    assert sorted(links) == sorted(f"#{name}" for name in rows)
    (picked,) = [m["index"] for m in run.members if m["picked"]]
    assert [name for name, a in rows.items() if a.get("class") == "pick"] == [f"member-{picked}"]
    assert "the pick" in parsed.text


def test_final_table_has_the_cross_validation(page: Path, run: Run) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    values = [row["terms"].get("cross_validation") for row in run.summary["report"]["rows"]]
    assert "cross-validation" in parsed.text
    assert all(f"{value:.4f}" in parsed.text for value in values if value is not None and 1e-3 <= value < 1e6)
    assert any(value is not None for value in values)


def test_data_computed_for_the_page_have_five_digits(page: Path, gathered: dict) -> None:
    data = read_report(page)
    for written, made in zip(data["errors"]["reactions"], gathered["errors"]["reactions"], strict=True):
        assert written["errors"] == pytest.approx(made["errors"], rel=1e-4, abs=0)  # half a unit of the fifth: 5e-5


def test_every_drawing_can_be_read_aloud(page: Path) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    drawings = [a for t, a in parsed.elements if t == "svg" and a.get("class") in ("chart", "graph")]
    assert len(drawings) > 15
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 20
    assert all(a.get("aria-label") for t, a in parsed.elements if t == "table")


def hostile_page(gathered: dict) -> str:
    data = copy.deepcopy(gathered)
    data["functional"]["name"] = HOSTILE
    data["functional"]["channels"]["x"] = {
        "expression": "c0 + evil_name*w",
        "parameters": {"c0": 1.0, "evil_name": 2.0},
    }
    data["citation"] = data["run"] = HOSTILE
    data["dataset"]["name"] = data["dataset"]["provenance"] = HOSTILE
    data["config"]["dataset"] = HOSTILE
    data["errors"]["functionals"][0] = HOSTILE
    for reaction in data["errors"]["reactions"][:5]:
        reaction["name"] = reaction["type"] = HOSTILE
    for group in data["errors"]["groups"]:
        group["name"] = HOSTILE
    for row in data["summary"]["report"]["rows"]:
        row["name"] = HOSTILE
        row["train"] = 1.2345e-9  # written with a power of ten, which is long
    data["summary"]["report"]["dataset"] = HOSTILE
    for row in data["search"]["pareto"]:
        row["expressions"] = {HOSTILE: HOSTILE}
    for step in data["ancestors"]:
        step["mutation"] = HOSTILE
        if "expressions" in step:
            step["expressions"] = {HOSTILE: HOSTILE}
            step["changed"] = [HOSTILE]
    for row in data["mutations"]:
        row["mutation"] = HOSTILE
    for item in data["factors"].values():
        item["curves"] = {HOSTILE: next(iter(item["curves"].values()))}
    for curve in data["curves"]["curves"]:
        curve["values"] = {HOSTILE: next(iter(curve["values"].values()))}
    for term in data["insight"]["terms"]["terms"]:
        term["term"] = term["channel"] = HOSTILE
    for parameter in data["insight"]["uncertainties"]["parameters"]:
        parameter["name"] = HOSTILE
    for kind in data["insight"]["sensitivity"]["types"]:
        kind["data_type"] = HOSTILE
        kind["pull"] = {HOSTILE: 1.0}
    data["health"]["name"] = HOSTILE
    for row in data["health"]["rows"]:
        row["name"] = row["where"] = row["detail"] = row["group"] = HOSTILE
    data["problems"] = {"validation": HOSTILE}
    return render(data)


def test_hostile_names_stay_text(gathered: dict, page: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile.html"
    hostile.write_text(hostile_page(gathered), encoding="utf-8")
    good, bad = (Page(p.read_text(encoding="utf-8")) for p in (page, hostile))
    assert sum(t == "script" for t, _ in bad.elements) == sum(t == "script" for t, _ in good.elements) == 2
    assert not [a for _, a in bad.elements if any(k.startswith("on") for k in a)]
    assert not [t for t, _ in bad.elements if t == "img"]
    assert read_report(hostile)["functional"]["name"] == HOSTILE


def test_what_is_no_page_is_refused(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    start = text.index('id="report-data">') + 40
    for name, wrong in {
        "empty": "",
        "other": "<script>1</script>",
        "cut": text[:start],
        "bad": text[:start] + "!",
    }.items():
        other = tmp_path / f"{name}.html"
        other.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError, match="not a page of fastsfes report"):
            read_report(other)


def test_functionals_of_one_table_are_drawn_apart() -> None:
    names = ["mine", *(name for name, _ in baselines()), *(refitted(display_name(n)) for n in PUBLISHED)]
    assert len({series(name, position) for position, name in enumerate(names)}) == len(names)


def test_a_page_is_small(page: Path) -> None:
    """Figures are compressed, lines have the points that are seen, cells of one colour are one path."""
    assert page.stat().st_size < 600_000


def test_the_command_writes_the_page(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "page.html"
    quick = ["--quiet", "--health", "none", "--samples", "0"]
    assert main(["report", str(run.path), "--output", str(target), *quick]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(target)
    assert err == ""
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "make it again with: --health quick" in target.read_text(encoding="utf-8")
    assert main(["report", str(run.path), "--samples", "1"]) == 2
    assert "--samples 1: expected 0, or at least 2" in capsys.readouterr().err
    assert main(["report", str(run.path), "--output", str(tmp_path / "absent" / "page.html")]) == 2
    assert "does not exist; make it" in capsys.readouterr().err
    assert main(["report", str(tmp_path)]) == 2
    assert "not the directory of a search" in capsys.readouterr().err
    assert main(["report", str(run.path), "--dataset", "absent.h5", "--output", str(target)]) == 2
    assert "absent.h5" in capsys.readouterr().err


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1400, 390])
def test_a_browser_shows_the_page(browser: Browser, page: Path, run: Run, width: int, dark: bool) -> None:
    browser.open(page, width=width, dark=dark)
    assert browser.console == []
    assert browser.requests == [page.resolve().as_uri()]
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    ids = browser.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    levels = browser.evaluate("[...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1])")
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))  # no level is left out
    # what stands out on the right is inside a box that scrolls by itself
    outside = """[...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1
        && !e.closest('.scroll') && !e.closest('.formula') && !e.closest('svg')).map(e => e.outerHTML.slice(0, 80))"""
    assert browser.evaluate(outside) == []
    assert browser.evaluate("[...document.querySelectorAll('section')].map(s => s.id)") == SECTIONS
    assert browser.evaluate("document.querySelector('h1').textContent") == run.best.name
    cells = browser.evaluate("[...document.querySelectorAll('#accuracy td')].map(c => c.textContent)")
    for row in run.summary["report"]["rows"]:
        assert f"{row['test']:.4f}" in cells
    # the browser typesets MathML itself: a subscript is smaller and lower than its base
    low = browser.evaluate(
        "(() => { const m = document.querySelector('#formula article msub'); "
        "const [a, b] = [...m.children].map(c => c.getBoundingClientRect()); "
        "return [a.height, b.height, b.bottom - a.bottom]; })()"
    )
    assert low[1] < low[0]
    assert low[2] > 0
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 150) == dark
    contrast = browser.evaluate("getComputedStyle(document.body).color")
    assert (sum(map(int, re.findall(r"\d+", contrast)[:3])) > 600) == dark


def test_the_theme_can_be_chosen(browser: Browser, page: Path) -> None:
    browser.open(page)
    color = "getComputedStyle(document.body).backgroundColor"
    light = browser.evaluate(color)
    press = "document.getElementById('theme').click()"
    browser.evaluate(f"{press}; {press}")
    assert browser.evaluate("document.documentElement.dataset.theme") == "dark"
    assert browser.evaluate(color) != light
    browser.evaluate(press)
    assert browser.evaluate(color) == light


def test_the_page_can_be_printed(browser: Browser, page: Path) -> None:
    browser.open(page, width=800, dark=True, medium="print")
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_hostile_names_run_nothing_in_a_browser(browser: Browser, gathered: dict, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(hostile_page(gathered), encoding="utf-8")
    browser.open(path, width=390)
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390  # nor do long words break the page
    assert browser.console == []
    assert browser.requests == [path.as_uri()]
    assert "owned" in browser.evaluate("document.title")  # as text of the title, which holds the name
    assert browser.evaluate("document.title") != "owned"
    assert browser.evaluate("document.querySelector('h1').textContent") == HOSTILE
    assert browser.evaluate("document.images.length") == 0


def test_the_policy_stops_what_would_get_through(browser: Browser, page: Path, tmp_path: Path) -> None:
    """Were a script or an image smuggled into the page, it would neither run nor be fetched."""
    text = page.read_text(encoding="utf-8")
    path = tmp_path / "smuggled.html"
    path.write_text(text.replace("<main", "<script>document.title='owned'</script><img src=x.png><main", 1))
    browser.open(path)
    assert browser.evaluate("document.title") != "owned"
    assert any("Content Security Policy" in line for line in browser.console)
