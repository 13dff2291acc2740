"""A picture of a report's section "Progress": ``python docs/figures/report_front.py RUN OUTPUT.png``.

docs/_static/report-front.png is that of ``fastsfes search`` without arguments.
Needs Chromium, as the tests of reports do.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

import fastsfes as fs
from fastsfes.report import collect, render

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "report"))
from browser import Browser

WIDTH, MARGIN = 1000, 14

#: The first heading of the section and the two figures under it, in pixels of the page.
BOX = """(() => {
    const head = document.querySelector("#search h3"), [first, second] = head.nextElementSibling.children;
    const a = head.getBoundingClientRect(), b = first.getBoundingClientRect(), c = second.getBoundingClientRect();
    return [b.left, a.top + scrollY, c.right, Math.max(b.bottom, c.bottom) + scrollY];
})()"""


def picture(run: Path, output: Path) -> None:
    """Write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(render(collect(fs.Run(run))), encoding="utf-8")
        with Browser(Path(folder) / "profile") as browser:
            browser.open(page, width=WIDTH)
            left, top, right, bottom = browser.evaluate(BOX)
            clip = {
                "x": max(0, left - MARGIN), "y": top - MARGIN, "width": right - left + 2 * MARGIN,
                "height": bottom - top + 2 * MARGIN, "scale": 1,
            }  # fmt: skip
            shot = browser.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
    output.write_bytes(base64.b64decode(shot["data"]))


if __name__ == "__main__":
    picture(Path(sys.argv[1]), Path(sys.argv[2]))
