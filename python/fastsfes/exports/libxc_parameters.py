"""Refits of forms that libxc has, as values of its external parameters: nothing has to be compiled or loaded.

A factor is taken apart into monomials of w, u and x2; each must be one that a parameter of libxc multiplies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..common.errors import InputError
from ..formula.expression import Expression
from ..functionals.frame import Hybrid
from ..functionals.functional import Functional
from ..functionals.gammas import GAMMAS
from .describe import description, identifier, line_comments
from .polynomial import Monomial, polynomial, spelled

__all__ = ["FORMS", "Form", "external_parameters", "files"]


@dataclass(frozen=True)
class Form:
    """A functional of libxc whose parameters are coefficients.

    Attributes:
        number: of the functional.
        since: version of libxc that has the parameters.
        terms: what every coefficient multiplies, by channel and the parameter's name, in libxc's order.
        hybrid: names of the parameters of exact exchange, by what they are: "exx" of global hybrids, "alpha", "beta",
            "omega" of range-separated ones.
        nlc: VV10's b and C, which are no parameters, or None.
        correlation: constants of the local correlation, which are no parameters.
    """

    number: int
    since: str
    terms: Mapping[str, Mapping[str, str]]
    hybrid: Mapping[str, str]
    nlc: tuple[float, float] | None
    correlation: str = "pw92_mod"


def _powers(channel: str, names: str, gamma: float = 0.0) -> dict[str, str]:
    """Parameters whose digits are powers: of w and u, or of u alone."""
    made = {}
    for digits in names.split():
        powers = {"w": digits[:-1], f"u(x2, {gamma or GAMMAS[channel]!r})": digits[-1]}
        factors = [f"{v}**{n}" for v, n in powers.items() if n > "0"]
        made[f"_{'cx' if channel == 'x' else channel}{digits}"] = "*".join(factors) or "1"
    return made


_CAM = {"alpha": "_alpha", "beta": "_beta", "omega": "_omega"}
_GGA = {kind: _powers(kind, "0 1 2 3 4") for kind in ("x", "css", "cos")}
_GAS22_U = "u(x2, 0.46914023462026644)"

FORMS: Mapping[str, Form] = {
    "hyb_mgga_xc_wb97m_v": Form(
        531,
        "6",
        {
            "x": _powers("x", "00 01 10"),
            "css": _powers("css", "00 04 10 20 43"),
            "cos": _powers("cos", "00 10 20 21 60 61"),
        },
        _CAM,
        (6.0, 0.01),
    ),
    "mgga_xc_b97m_v": Form(
        254,
        "6",
        {
            "x": _powers("x", "00 01 02 10 11"),
            "css": _powers("css", "00 02 10 32 42"),
            "cos": _powers("cos", "00 01 03 10 32"),
        },
        {},
        (6.0, 0.01),
    ),
    # its names are those of wB97M-V, its terms are not
    "hyb_mgga_xc_gas22": Form(
        658,
        "6.1",
        {
            "x": _powers("x", "00 01 10", 0.003840616724010807),
            "css": {
                "_css00": _GAS22_U,
                "_css04": "w",
                "_css10": "w**2",
                "_css20": f"{_GAS22_U}**6",
                "_css43": f"{_GAS22_U}**6*w**4",
            },
            "cos": {
                "_cos00": "1",
                "_cos10": "w**2",
                "_cos20": "w**6",
                "_cos21": "w**6*cbrt(x2)",
                "_cos60": "w**2*cbrt(x2)",
            },
        },
        _CAM,
        (6.0, 0.01),
    ),
    "hyb_gga_xc_wb97x_v": Form(466, "5", _GGA, _CAM, (6.0, 0.01), "pw92"),
    "hyb_gga_xc_wb97x": Form(464, "5", _GGA, _CAM, None, "pw92"),
    "hyb_gga_xc_b97": Form(407, "5", _GGA, {"exx": "_cxx"}, None, "pw92"),
}
"""By libxc's names."""


def external_parameters(functional: Functional) -> tuple[str, dict[str, float]]:
    """libxc's functional of the same form, and the values of all its external parameters in libxc's order.

    Raises:
        InputError: when no form is that of the functional; says what the nearest one lacks.
    """
    found: list[tuple[int, str]] = []
    factors = {k: polynomial(c.expression, c.parameters) for k, c in functional.channels.items()}
    for name, form in FORMS.items():
        try:
            return name, _values(functional, factors, form)
        except _Lacks as lack:
            found.append((lack.count, f"{name} {lack}"))
    reason = min(found)[1]
    raise InputError(f"{functional.name} is none of the forms whose parameters libxc has: {reason}")


class _Lacks(Exception):
    """What a form lacks for a functional.

    Attributes:
        count: how many things.
    """

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("; ".join(reasons[:3]))
        self.count = len(reasons)


def _values(functional: Functional, factors: Mapping[str, Mapping[Monomial, float]], form: Form) -> dict[str, float]:
    reasons: list[str] = []
    values: dict[str, float] = {}
    for kind, terms in form.terms.items():
        places = {_monomial(text): name for name, text in terms.items()}
        values |= dict.fromkeys(terms, 0.0)
        for monomial, coefficient in factors.get(kind, {}).items():
            if monomial in places:
                values[places[monomial]] = coefficient
            elif coefficient != 0.0:
                reasons.append(f"has no {spelled(monomial)} in {kind}")
    reasons += [f"has no channel {kind}" for kind in factors if kind not in form.terms]
    h = functional.hybrid
    if "exx" in form.hybrid:
        if h.omega:
            reasons.append("has no range separation")
        values[form.hybrid["exx"]] = h.long_range
    elif form.hybrid:
        if not h.omega:
            reasons.append("has range separation")
        parts = {"alpha": h.long_range, "beta": h.short_range - h.long_range, "omega": h.omega}
        values |= {name: parts[part] for part, name in form.hybrid.items()}
    elif h != Hybrid():
        reasons.append("has no exact exchange")
    nlc = None if functional.nlc is None else (functional.nlc.b, functional.nlc.C)
    if nlc != form.nlc:
        reasons.append(f"has {'no VV10' if form.nlc is None else 'VV10 with b = {}, C = {}'.format(*form.nlc)}")
    if functional.correlation != form.correlation:
        reasons.append(f"has the local correlation {form.correlation}")
    if reasons:
        raise _Lacks(reasons)
    return values


def _monomial(text: str) -> Monomial:
    (monomial,) = polynomial(Expression.parse(text), {})
    return monomial


def files(functional: Functional, stem: str) -> dict[str, str]:
    """A text of sections that can be pasted into programs."""
    name, values = external_parameters(functional)
    form, own = FORMS[name], identifier(functional.name)
    numbers = ", ".join(map(repr, values.values()))
    h = functional.hybrid
    # exact exchange and VV10 are said here: Psi4 asks libxc for the first before it sets the values, VASP never
    psi4: dict[str, object] = {"name": own, "x_functionals": {name.upper(): {"tweak": values}}, "c_functionals": {}}
    incar: list[str] = []
    if form.hybrid:
        psi4["x_hf"] = {"alpha": h.short_range, "beta": h.long_range - h.short_range, "omega": h.omega}
        incar += ["LHFCALC = .TRUE.", f"AEXX = {h.short_range!r}"]
    if h.omega:
        said = f"{h.short_range!r} at short range, {h.long_range!r} at long range, omega {h.omega!r} 1/bohr"
        incar = [f"# to be said in VASP's own way: exact exchange, {said}"]
    if form.nlc is not None:
        psi4["dispersion"] = {"type": "nl", "params": dict(zip("bc", form.nlc, strict=True))}
        incar.append("# VV10 is missing: VASP has rVV10, another functional")
    meta = name.removeprefix("hyb_").startswith("mgga")
    sections = {
        "names and values": [f"{k} = {v!r}" for k, v in values.items()],
        f"C: libxc {form.since} or later": [
            f"const double values[] = {{{numbers}}};",
            f'xc_func_init(&func, xc_functional_get_number("{name}"), nspin);',
            "xc_func_set_ext_params(&func, values);",
        ],
        "PySCF 2.11 or later": [
            "from pyscf.dft import libxc",
            f'libxc.register_custom_functional_("{own}", "{name}", ext_params={{{form.number}: [{numbers}]}})',
            f'# then mf.xc = "{own}"',
        ],
        "Psi4 1.4 or later": [f"functional = {psi4!r}"],
        "VASP 6.4 or later, INCAR": [
            f"{'METAGGA' if meta else 'GGA'} = LIBXC",
            *incar,
            f"LIBXC1 = {name.upper()}",
            *(f"LIBXC1_P{k} = {v!r}" for k, v in enumerate(values.values(), 1)),
        ],
    }
    lines = [
        *description(functional),
        "",
        f"The form of libxc's {name}, number {form.number}: its external parameters.",
    ]
    text = line_comments(lines)
    for title, body in sections.items():
        text += f"\n# -- {title}\n" + "".join(f"{line}\n" for line in body)
    return {"": text}
