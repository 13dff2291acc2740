"""What every exported file says about itself, safely: names become identifiers, texts become comments.

Names, citations and formulas may come from a stranger's file. None of them reaches generated code other than through
`identifier`, or through a comment that they cannot end.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable

from .._core import __version__
from ..formula.features import DENSITY_THRESHOLD, SIGMA_FLOOR, TAU_FLOOR
from ..functionals.functional import Functional

__all__ = [
    "block_comment",
    "c_string",
    "description",
    "identifier",
    "line_comments",
    "plain",
    "tex_text",
    "thresholds",
]

# Words of C, C++ and Maple that may not be names; Python's are asked for.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        """
        alignas alignof and asm auto bool break case catch char class compl concept const constexpr continue
        decltype default delete do double else enum explicit export extern false float for friend goto if
        inline int long main mutable namespace new not operator or private protected public register
        reinterpret requires restrict return short signed sizeof static struct switch template this throw
        true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor std
        proc local global end option description module use fi od then elif by from to done stop quit
        """,
    )
)


def identifier(text: str) -> str:
    """A name that is an identifier in every language, made of a functional's name: at most 48 letters, digits, _."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:48].strip("_")
    if not name or name[0].isdigit():
        name = f"f_{name}".rstrip("_")
    return f"{name}_xc" if name in _RESERVED or keyword.iskeyword(name) or keyword.issoftkeyword(name) else name


def plain(text: str, limit: int = 500) -> str:
    """One line of printable ASCII characters; what is longer than `limit` is cut."""
    line = "".join(c if c.isascii() and c.isprintable() else ("?" if c.isprintable() else " ") for c in text)
    line = " ".join(line.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def description(functional: Functional, *, limit: int = 2000) -> list[str]:
    """Lines that say what the functional is, with all digits."""
    h = functional.hybrid
    lines = [
        f"{plain(functional.name, 100)}: {functional.family.upper()} functional, exported by fastsfes {__version__}"
    ]
    if functional.citation:
        lines.append(f"Source: {plain(functional.citation)}")
    for kind, channel in functional.channels.items():
        lines.append(f"f_{kind} = {plain(str(channel.expression), limit)}")
        lines += [f"  {plain(name, 100)} = {value!r}" for name, value in channel.parameters.items()]
    lines.append(f"Exact exchange: short range {h.short_range!r}, long range {h.long_range!r}, omega {h.omega!r}")
    if functional.nlc is not None:
        lines.append(f"Nonlocal correlation: VV10, b = {functional.nlc.b!r}, C = {functional.nlc.C!r}")
    lines.append("Only the semilocal part is computed here; exact exchange and VV10 are added by the calling program.")
    return lines


def thresholds() -> list[str]:
    """Lines that document units, order of components and thresholds."""
    return [
        "Atomic units. rho: (spin) densities; sigma: products of density gradients aa, ab, bb, or |grad rho|^2;",
        "tau: (1/2) sum |grad phi|^2. exc is the energy per volume (hartree/bohr^3), not per particle; the derivatives",
        "are those of exc, components in libxc's order.",
        f"Densities below {DENSITY_THRESHOLD!r} are absent: no energy; derivatives for such a spin are limits, or 0",
        f"where there is none. sigma and tau of one spin enter with at least {SIGMA_FLOOR!r} and {TAU_FLOOR!r}.",
    ]


def block_comment(lines: Iterable[str], opening: str = "/*", closing: str = "*/") -> str:
    """A comment between brackets; brackets inside are pulled apart."""
    body = "\n".join(f"   {_apart(line, (opening, closing))}".rstrip() for line in lines)
    return f"{opening}\n{body}\n{closing}\n"


def line_comments(lines: Iterable[str], mark: str = "# ") -> str:
    """Comments to the end of the line; a backslash cannot continue one."""
    return "".join(f"{mark}{line}".rstrip().rstrip("\\") + "\n" for line in lines)


def _apart(line: str, brackets: tuple[str, str]) -> str:
    for bracket in brackets:
        while bracket in line:
            line = line.replace(bracket, " ".join(bracket))
    return line.rstrip("\\").replace("??", "? ?")


def c_string(text: str) -> str:
    """A string literal of C and C++."""
    escaped = plain(text).replace("\\", "\\\\").replace('"', '\\"').replace("?", "\\?")
    return f'"{escaped}"'


def tex_text(text: str) -> str:
    """Text that TeX prints as it stands."""
    special = {c: f"\\{c}" for c in "#$%&_{}"} | {
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        '"': "''",
    }
    return "".join(special.get(c, c) for c in plain(text))
