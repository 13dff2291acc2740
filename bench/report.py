"""Figures of a benchmark: shown as they come, kept as plain data."""

from __future__ import annotations

import os
import platform
import sys
from typing import Any

from fastsfes.common.errors import FastsfesError


class WrongAnswer(FastsfesError):
    """A benchmark's result differs from its reference: the timing would mean nothing."""


class Report:
    """Collects figures; every row is also shown on standard error as soon as it is known."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._section = ""

    def section(self, text: str) -> None:
        """Begin a group of figures."""
        self._section = text
        self._append({"title": text})

    def add(self, name: str, value: float, unit: str, **more: Any) -> None:
        """Record a figure, with its target and spread; see `figure`."""
        self._append({"section": self._section, **figure(name, value, unit, **more)})

    def note(self, text: str) -> None:
        """A line without a figure."""
        self._append({"section": self._section, "note": text})

    def check(self, name: str, error: float, limit: float) -> None:
        """Stop when an answer is wrong; NaN counts as wrong."""
        if not error <= limit:
            raise WrongAnswer(f"{name}: the answer is off by {error:.3g}, allowed is {limit:.3g}")
        self._append({"section": self._section, "check": name, "error": error, "limit": limit})

    def data(self) -> dict[str, Any]:
        """Everything as plain data."""
        return {"machine": machine(), "rows": self._rows}

    def _append(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if (text := row_text(row)) is not None:
            print(text, file=sys.stderr, flush=True)


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    target: float | None = None,
    larger: bool = True,
    spread: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """A figure as plain data, with its measured spread where there is one.

    With a target, whether it is met (`larger`: at least, otherwise at most); a target that the spread reaches is met,
    because the measurement cannot tell the figure from it.
    """
    row: dict[str, Any] = {"name": name, "value": value, "unit": unit}
    low, high = spread or (value, value)
    if spread:
        row["spread"] = [low, high]
    if target is not None:
        met = high >= target if larger else low <= target
        row |= {"target": target, "at_least": larger, "met": met}
    return row


def row_text(row: dict[str, Any]) -> str | None:
    """One line for a row, none for a check that passed."""
    if "title" in row:
        return f"\n{row['title']}"
    if "note" in row:
        return f"  {row['note']}"
    if "check" in row:
        return None
    spread, verdict = "", ""
    if "spread" in row:
        spread = f" ({row['spread'][0]:.4g} to {row['spread'][1]:.4g})"
    if "target" in row:
        target, least = row["target"], row["at_least"]
        exactly = row["value"] >= target if least else row["value"] <= target
        met = ("met" if exactly else "met within the spread") if row["met"] else "NOT met"
        verdict = f"   target {'>=' if least else '<='} {target:g}: {met}"
    return f"  {row['name']:<58s} {row['value']:10.4g} {row['unit']}{spread}{verdict}"


def markdown(title: str, result: dict[str, Any]) -> str:
    """The rows as a page: a table for each section, with the notes behind it."""
    about = result["machine"]
    lines = [f"# {title}", "", f"{about['processor']}, {about['cores']} cores, Python {about['python']}."]
    notes: list[str] = []
    in_table = False
    for row in [*result["rows"], {"title": ""}]:
        if "title" in row:
            lines += ["", "```text", *notes, "```"] if notes else []
            notes, in_table = [], False
            if row["title"]:
                lines += ["", f"## {row['title']}"]
        elif "note" in row:
            notes.append(row["note"].strip())
        elif "value" in row:
            if not in_table:
                lines += ["", "| | figure | | target |", "| --- | ---: | --- | --- |"]
                in_table = True
            target = ""
            if "target" in row:
                sign = "at least" if row["at_least"] else "at most"
                target = f"{sign} {row['target']:g}: {'met' if row['met'] else '**not met**'}"
            name = row["name"].replace("*", "\\*")
            lines.append(f"| {name} | {row['value']:.4g} | {row['unit']} | {target} |".replace("  |", " |"))
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    """Processor, cores this process may use, and versions."""
    processor = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            processor = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "processor": processor,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
    }
