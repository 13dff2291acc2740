"""A LaTeX document: the enhancement factors as formulas, and a table of their parameters."""

from __future__ import annotations

from ..common.errors import InputError
from ..formula.features import CHANNELS
from ..functionals.functional import Functional
from .describe import description, line_comments, plain, tex_text

__all__ = ["files"]

_SYMBOLS = {"x": "f_x", "css": r"f_{c,\sigma\sigma}", "cos": r"f_{c,\alpha\beta}", "c": "f_c", "one": "e_{xc}"}


def files(functional: Functional, stem: str, digits: int | None = None) -> dict[str, str]:
    """One document; `digits` rounds the parameters in its table, all are in the comment."""
    if digits is not None and not 1 <= digits <= 17:
        raise InputError(f"digits is {digits}; expected 1 to 17, or nothing for as many as the numbers have")
    lines = [
        line_comments(description(functional), "% "),
        "\\documentclass{article}",
        "\\usepackage{amsmath}",
        "\\allowdisplaybreaks",
        "\\begin{document}",
        f"\\section*{{{tex_text(functional.name[:100])}}}",
    ]
    if functional.citation:
        lines.append(f"Source: {tex_text(functional.citation)}.")
    lines.append(_frame(functional))
    for kind, channel in functional.channels.items():
        summary = CHANNELS[kind].summary
        lines += [
            f"\\paragraph{{{tex_text(summary[0].upper() + summary[1:])}}}",
            "\\[",
            f"{_SYMBOLS[kind]} = {channel.expression.to_latex()}",
            "\\]",
        ]
        if channel.parameters:
            lines.append("\\begin{center}\\begin{tabular}{ll}")
            for name, value in channel.parameters.items():
                text = repr(value) if digits is None else f"{value:.{digits}g}"
                lines.append(f"\\texttt{{{tex_text(plain(name, 60))}}} & \\texttt{{{text}}} \\\\")
            lines.append("\\end{tabular}\\end{center}")
    lines.append("\\end{document}")
    return {"": "\n".join(lines) + "\n"}


def _frame(functional: Functional) -> str:
    h, n = functional.hybrid, functional.nlc
    if h.omega:
        text = (
            f"Exact exchange: {h.short_range!r} at short range, {h.long_range!r} at long range, "
            f"$\\omega = {h.omega!r}\\,a_0^{{-1}}$."
        )
    else:
        text = f"Exact exchange: {h.short_range!r}."
    return text + ("" if n is None else f" VV10 with $b = {n.b!r}$, $C = {n.C!r}$.")
