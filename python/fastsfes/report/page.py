"""The page: all sections, the style sheet and the data in one file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import Any

from ..common.files import plain
from .embedded import embedded
from .html import Content, Markup, join, tag
from .sections.accuracy import accuracy_section, tiles
from .sections.factors import factors_section
from .sections.formula import formula_section
from .sections.health import health_section
from .sections.insight import insight_section
from .sections.origin import origin_section
from .sections.search import search_section
from .sections.validation import validation_section

__all__ = ["render"]

_FAMILIES = {"lda": "LDA", "gga": "GGA", "mgga": "meta-GGA"}
_SECTIONS = (
    ("formula", "Formula", formula_section),
    ("accuracy", "Accuracy", accuracy_section),
    ("factors", "Factors", factors_section),
    ("search", "Search", search_section),
    ("insight", "Terms", insight_section),
    ("health", "Health", health_section),
    ("validation", "SCF", validation_section),
    ("origin", "Origin", origin_section),
)


def render(data: Mapping[str, Any]) -> str:
    """The whole page as text; the data as `collect` returns them."""
    shown = plain(data)
    style = _resource("style.css")
    script = _resource("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # nothing may be fetched and no other script can run, whatever a file smuggled in
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    name = shown["functional"]["name"]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="generator", content=f"fastsfes {shown['fastsfes']}"),
        tag("title", f"{name} – fastsfes report"),
        tag("style", Markup(style)),
    )
    navigation = tag(
        "nav",
        tag("ul", [tag("li", tag("a", label, href=f"#{key}")) for key, label, _ in _SECTIONS]),
        aria_label="Sections",
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#main", class_="skip"),
        _header(shown),
        navigation,
        tag("main", [make(shown) for _, _, make in _SECTIONS], id="main"),
        tag(
            "footer",
            tag(
                "p",
                f"Made by fastsfes {shown['fastsfes']} from run {shown['run']}. All figures of this page are in it: ",
                tag("code", "fastsfes.report.read_report(page)"),
                ".",
            ),
        ),
        embedded(shown),
        tag("script", Markup(script)),
    )
    return "<!DOCTYPE html>\n" + tag("html", head, body, lang="en") + "\n"


def _header(data: dict[str, Any]) -> Markup:
    functional = data["functional"]
    words: list[Content] = [_FAMILIES.get(data["family"], data["family"])]
    if functional["hybrid"]["omega"]:
        words.append("range-separated hybrid")
    elif functional["hybrid"]["short_range"]:
        words.append("global hybrid")
    if functional["nlc"]:
        words.append("VV10 nonlocal correlation")
    return tag(
        "header",
        tag(
            "div",
            tag("p", "fastsfes report", class_="overline"),
            tag("button", "Theme", type_="button", id="theme", hidden=True),
            class_="bar",
        ),
        tag("h1", functional["name"]),
        tag("p", join(" · ".join(map(str, words))), class_="subtitle"),
        tag("p", data["citation"], class_="note") if data["citation"] else None,
        tiles(data),
    )


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
