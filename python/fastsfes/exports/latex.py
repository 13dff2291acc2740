"""A LaTeX article: the functional as a paper prints it, with all that its symbols mean, and a table of parameters.

The document needs amsmath and booktabs; what stands between the two marks can be pasted into another article. Lines fit
a column of a two-column one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from ..common.errors import InputError
from ..formula.expression import Expression, features, operators
from ..functionals.functional import Functional
from .describe import description, line_comments, plain, tex_text
from .tex_lines import broken

__all__ = ["files"]

_SYMBOLS = {"x": "f_x", "css": r"f_{c,\sigma\sigma}", "cos": r"f_{c,\alpha\beta}", "c": "f_c", "one": "e_{xc}"}
_ENERGIES = {
    "x": r"\sum_\sigma \int e_x(\rho_\sigma)\, f_x \,\mathrm{d}\mathbf{r}",
    "css": r"\sum_\sigma \int e_c(\rho_\sigma, 0)\, f_{c,\sigma\sigma} \,\mathrm{d}\mathbf{r}",
    "cos": r"\int e_{c,\alpha\beta}\, f_{c,\alpha\beta} \,\mathrm{d}\mathbf{r}",
    "c": r"\int e_c(\rho_\alpha, \rho_\beta)\, f_c \,\mathrm{d}\mathbf{r}",
    "one": r"\int e_{xc} \,\mathrm{d}\mathbf{r}",
}
_EXCHANGE = r"e_x(\rho_\sigma) &= -\tfrac{3}{8} \left(\tfrac{3}{\pi}\right)^{1/3} 4^{2/3} \rho_\sigma^{4/3}"
_ATTENUATION = (
    r"F(a) &= 1 - \tfrac{2}{3} a \bigl[2\sqrt{\pi}\,\operatorname{erf}(1/a) - 3a",
    r"&\quad{} + a^3 + (2a - a^3)\, e^{-1/a^2}\bigr]",
    r"a &= \omega / (6\pi^2\rho_\sigma)^{1/3}",
)
_STOLL = (r"e_{c,\alpha\beta} &= e_c(\rho_\alpha, \rho_\beta) - \sum_\sigma e_c(\rho_\sigma, 0)",)
_PW92 = "$e_c$ is the energy per volume of Perdew and Wang (1992), with the constants"
_CORRELATION = {
    "pw92_mod": f"{_PW92} in more digits that later functionals use.",
    "pw92": f"{_PW92} as published.",
    "scan_alpha1": r"$e_c$ is the correlation energy per volume of SCAN (2015) at $\alpha = 1$; $e_c(\rho_\sigma, 0)$ "
    r"has the gradient of that spin, $e_c(\rho_\alpha, \rho_\beta)$ that of both together.",
}
_NUMBERS = {
    "4.557799872345597": r"\tfrac{3}{10} (6\pi^2)^{2/3}",
    "0.01645530784602056": r"\tfrac{1}{4} (6\pi^2)^{-2/3}",
    "0.1282782438530422": r"\tfrac{1}{2} (6\pi^2)^{-1/3}",
    "0.0274255130767009": r"\tfrac{5}{12} (6\pi^2)^{-2/3}",
    "0.6203504908994001": r"\left(\tfrac{3}{4\pi}\right)^{1/3}",
}
"""Numbers of the feature table as what they are."""

_BEGIN, _END = "% ---- the functional: begin", "% ---- the functional: end"


def files(
    functional: Functional, stem: str, digits: int | None = None, printed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """One document.

    Args:
        functional: what to write.
        stem: of the file.
        digits: of the parameters in the table; the comment has all.
        printed: the parameters in the table as text, "channel.name" -> "0.853 ± 0.012", in place of `digits`.
    """
    del stem
    if digits is not None and not 1 <= digits <= 17:
        raise InputError(f"digits is {digits}; expected 1 to 17, or nothing for as many as the numbers have")
    names = _names(functional)
    lines = [
        line_comments(description(functional), "% "),
        "\\documentclass[twocolumn]{article}",
        "\\usepackage{amsmath}",
        "\\usepackage{booktabs}",
        "\\begin{document}",
        _BEGIN,
        f"\\section*{{{tex_text(functional.name[:100])}}}",
        *([f"Source: {tex_text(functional.citation)}."] if functional.citation else []),
        *_energy(functional),
        *_factors(functional, names),
        *_where(functional, names),
        *_table(functional, names, digits, printed or {}),
        _END,
        "\\end{document}",
    ]
    return {"": "\n".join(lines) + "\n"}


def _energy(functional: Functional) -> list[str]:
    """The energy as integrals, and the frame."""
    integrals = [f"&+ {_ENERGIES[k]}" for k in functional.channels]
    integrals[0] = integrals[0].replace("&+ ", "E_{xc} ={}& ", 1)
    words = "The semilocal energy is"
    return [words, *_aligned(integrals), _frame(functional)]


def _factors(functional: Functional, names: Mapping[str, str]) -> list[str]:
    """The factors, shared parts first."""
    lines: list[str] = []
    shared = 0
    for kind, channel in functional.channels.items():
        text = _renamed(kind, channel.expression, names).named
        # parts are numbered through all factors
        text = _shifted(text, shared)
        *parts, value = text.split("; ")
        shared += len(parts)
        for part in parts:
            name, _, text = part.partition(" = ")
            lines += _equation(Expression.parse(name), Expression.parse(text))
        lines += _lines(_SYMBOLS[kind], Expression.parse(value).to_latex())
    what = "Its factors are" if tuple(functional.channels) != ("one",) else "Its density is"
    return [what, *_aligned(lines)]


def _shifted(text: str, by: int) -> str:
    """With y1, y2, ... numbered from `by` + 1."""

    def shifted(found: re.Match[str]) -> str:
        return f"y{int(found[1]) + by}"

    return re.sub(r"\by(\d+)\b", shifted, text)


def _equation(left: Expression, right: Expression) -> list[str]:
    return _lines(left.to_latex(), right.to_latex())


def _lines(left: str, right: str) -> list[str]:
    first, *others = broken(right)
    return [f"{left} ={{}}& {first}", *(f"&\\quad{{}}{line}" for line in others)]


def _aligned(lines: Iterable[str]) -> list[str]:
    return ["\\begin{align*}", " \\\\\n".join(lines), "\\end{align*}"]


def _where(functional: Functional, names: Mapping[str, str]) -> list[str]:
    """What the symbols mean: transforms, features, prefactors."""
    lines: list[str] = []
    scales = sorted({names[key] for key in _scales(functional)}, key=lambda n: (len(n), n))
    if scales:
        index = scales[0].removeprefix("gamma") if len(scales) == 1 else "k"
        u, g = f"u_{{{index}}}", f"\\gamma_{{{index}}}"
        lines.append(f"{u} &= \\frac{{{g} x^2}}{{1 + {g} x^2}}")
    used = {n for c in functional.channels.values() for n in c.expression.features}
    nodes = [n for c in functional.channels.values() for n in _without_scales(c.expression).nodes()]
    if any(name == "u" for name, _, _ in nodes):
        lines.append(r"u(z; \gamma) &= \frac{\gamma z}{1 + \gamma z}")
    for row in operators():
        if row["kind"] == "defined" and row["name"] not in ("u",) and any(n == row["name"] for n, _, _ in nodes):
            arguments = [Expression.parse(v) for v in "abcde"[: row["arity"]]]
            definition = row["definition"]
            if ";" not in definition:
                lines += _equation(Expression.apply(row["name"], *arguments), Expression.parse(definition))
    per_spin = any(k != "one" for k in functional.channels)
    rows = {row["name"]: row for row in features()}
    for name in _with_needed(used, rows, per_spin):
        row = rows[name]
        text = row["pair"] if row["pair"] not in (None, "mean") else (row["spin"] if per_spin else row["total"])
        if text not in (None, name):
            lines += _lines(row["latex"], _constants(Expression.parse(text).to_latex()))
    if "x" in functional.channels:
        attenuated = functional.hybrid.omega > 0.0
        lines.append(_EXCHANGE + (r"\, F(a)" if attenuated else ""))
        lines += list(_ATTENUATION) if attenuated else []
    if "cos" in functional.channels:
        lines += _STOLL
    words = []
    if "cos" in functional.channels and used:
        words.append("The factor of opposite spins has the means of $x^2$ and $t$ over both spins.")
    if {"css", "cos", "c"} & set(functional.channels):
        words.append(_CORRELATION[functional.correlation])
    if used & {"tau", "t", "w", "alpha", "beta"}:
        words.append(r"$\tau = \frac{1}{2}\sum_i |\nabla\varphi_i|^2$ and $\sigma = |\nabla\rho|^2$, of one spin.")
    elif used & {"x2", "x", "s", "s2", "sigma"}:
        words.append(r"$\sigma = |\nabla\rho|^2$, of one spin." if per_spin else r"$\sigma = |\nabla\rho|^2$.")
    return (["with", *_aligned(lines)] if lines else []) + ([" ".join(words)] if words else [])


def _with_needed(used: set[str], rows: Mapping[str, Mapping[str, object]], per_spin: bool) -> list[str]:
    """Features that occur, and those that their definitions need."""
    found, waiting = set[str](), sorted(used)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        pair = rows[name]["pair"]
        if per_spin and pair not in (None, "mean"):
            waiting += Expression.parse(str(pair)).features
    return [name for name in rows if name in found]


def _constants(latex: str) -> str:
    for number, meaning in _NUMBERS.items():
        latex = re.sub(re.escape(number) + r"\d*(\\,)?", meaning.replace("\\", "\\\\") + r"\\,", latex)
    return re.sub(r"\{\\rho\}\^\{\\frac\{(\d+)\}\{(\d+)\}\}", r"\\rho^{\1/\2}", latex)


def _table(
    functional: Functional, names: Mapping[str, str], digits: int | None, printed: Mapping[str, str]
) -> list[str]:
    rows = []
    for key, value in functional.parameters.items():
        text = printed.get(key, repr(value) if digits is None else f"{value:.{digits}g}")
        symbol = Expression.parse(names[key]).to_latex()
        rows.append(f"${symbol}$ & \\texttt{{{tex_text(plain(key, 40))}}} & {_number(text)} \\\\")
    if not rows:
        return []
    uncertain = any("±" in printed.get(key, "") for key in functional.parameters)
    head = "value and standard error" if uncertain else "value"
    return [
        "\\begin{table}[htb]",
        "\\setlength{\\belowcaptionskip}{6pt}",  # the caption stands above
        "\\caption{Parameters, with their names in fastsfes.}",
        "\\centering",
        "\\begin{tabular}{@{}lll@{}}",
        "\\toprule",
        f" & name & {head} \\\\",
        "\\midrule",
        *rows,
        "\\bottomrule",
        "\\end{tabular}",
        "\\end{table}",
    ]


def _number(text: str) -> str:
    """A number, perhaps with its uncertainty, in mathematics."""
    value, _, words = text.partition(" (")
    made = re.sub(r"e([-+]?)0*(\d+)", r" \\times 10^{\1\2}", value).replace("±", r"\pm").replace("{+", "{")
    return f"${made}$" + (f" ({words}" if words else "")


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


# -- names: parameters of different factors are different numbers ------------------------------------------------------

_GREEK = {"g": "gamma", "gamma": "gamma", "kappa": "kappa", "mu": "mu"}


def _stem(name: str) -> str:
    found = re.match(r"[A-Za-z]+", name)
    stem = found[0] if found else "p"
    return _GREEK.get(stem, stem if len(stem) == 1 and stem not in "uxwstey" else "c")


def _names(functional: Functional) -> dict[str, str]:
    """ "channel.name" -> the name in print: numbered through all factors, without a number where there is one only."""
    keys = list(functional.parameters)
    scales = set(_scales(functional))
    stems = ["gamma" if key in scales else _stem(key.partition(".")[2]) for key in keys]
    count: dict[str, int] = {}
    found = {}
    for key, stem in zip(keys, stems, strict=True):
        count[stem] = count.get(stem, 0) + 1
        alone = stems.count(stem) == 1 and stem != "gamma"  # u alone is a function's name
        found[key] = stem if alone else f"{stem}{count[stem]}"
    return found


def _scaled(expression: Expression) -> set[str]:
    """Parameters that are scales of u(x2, g)."""
    nodes = expression.nodes()
    return {
        str(nodes[args[1]][2])
        for name, args, _ in nodes
        if name == "u" and nodes[args[0]][::2] == ("feature", "x2") and nodes[args[1]][0] == "parameter"
    }


def _scales(functional: Functional) -> list[str]:
    return [f"{kind}.{name}" for kind, c in functional.channels.items() for name in sorted(_scaled(c.expression))]


def _without_scales(expression: Expression) -> Expression:
    """With a letter for every u(x2, g)."""
    text = expression.text
    for name in _scaled(expression):
        text = text.replace(f"u(x2, {name})", f"u_{name}")
    return Expression.parse(text)


def _renamed(kind: str, expression: Expression, names: Mapping[str, str]) -> Expression:
    """With the names of print; u(x2, gamma3) is the letter u with the same number."""
    scales = _scaled(expression)
    made = _without_scales(expression)
    new = {p: names[f"{kind}.{p}"] for p in expression.parameters}
    letters = {f"u_{p}": "u" + new[p].removeprefix("gamma") for p in scales}
    chosen = {p: Expression.parse(n) for p, n in new.items() if p in made.parameters}
    return made.substitute(chosen | {old: Expression.parse(n) for old, n in letters.items()})
