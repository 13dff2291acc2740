"""A self-contained Python file for PySCF: the formula, its derivatives, and an `attach` for RKS and UKS."""

from __future__ import annotations

from ..formula.expression import Expression
from ..functionals.formulas import VARIABLES, derivative_keys
from ..functionals.functional import Functional
from .describe import description, identifier, line_comments
from .layout import Layout, layout, parameter_names
from .python_code import body, parameter_table, python_language
from .straightline import straight_line

__all__ = ["files"]

NUMPY = python_language("np", "scipy.special")

_XCTYPE = {"lda": ("rho",), "gga": ("rho", "sigma"), "mgga": ("rho", "sigma", "tau")}

_HEAD = """
import re

import numpy as np
import pyscf
from pyscf.dft import libxc, numint

NAME = {name!r}
XCTYPE = {xctype!r}
# exact exchange at short and long range, and omega; VV10's b and C
HYBRID = {hybrid!r}
VV10 = {nlc!r}
PARAMETERS = {{
{parameters}
}}
"""

_TAIL = '''

def eval_xc(rho, spin=0, deriv=1):
    """Energy per electron and its derivatives up to order 2 in PySCF's order of rows, as `NumInt.eval_xc1`.

    rho: (n,) or rows of density, gradient and tau; a pair of these for spin = 1.
    """
    if deriv > 2:
        # what PySCF raises itself for derivatives that it does not have
        raise NotImplementedError(f"derivatives of order {{deriv}} of {{NAME}}; there are 0, 1 and 2")
    rho = np.asarray(rho, dtype=float)
    rows = {{"LDA": 1, "GGA": 4, "MGGA": 5}}[XCTYPE]
    if rho.ndim == (1 if spin == 0 else 2):
        rho = rho[..., None, :]
    if XCTYPE == "MGGA" and rho.shape[-2] == 6:  # with a Laplacian
        rho = rho[..., [0, 1, 2, 3, 5], :]
    rho = rho[..., :rows, :]
    if spin == 0:
        variables = [rho[0]]
        if rows > 1:
            variables.append((rho[1:4] ** 2).sum(axis=0))
        if rows > 4:
            variables.append(rho[4])
        density = rho[0]
    else:
        a, b = rho
        variables = [a[0], b[0]]
        if rows > 1:
            variables += [(a[1:4] ** 2).sum(axis=0), (a[1:4] * b[1:4]).sum(axis=0), (b[1:4] ** 2).sum(axis=0)]
        if rows > 4:
            variables += [a[4], b[4]]
        density = a[0] + b[0]
    with np.errstate(all="ignore"):
        values = (_pol if spin else _unpol)(deriv, *variables)
    out = np.empty((len(values), density.size))
    for row, value in zip(out, values):
        row[:] = value
    np.divide(out[0], density, out=out[0], where=out[0] != 0.0)
    return out


class NumInt(numint.NumInt):
    """PySCF's integrator with the values of this functional."""

    def __init__(self, xc_code):
        super().__init__()
        self.xc_code = xc_code
        self.calls = 0

    @property
    def omega(self):
        """PySCF's override of the range separation; there is none."""
        return None

    @omega.setter
    def omega(self, value):
        if value is not None and value != HYBRID[2]:
            raise ValueError(
                f"omega = {{value}} would change the exact exchange of {{NAME}} but not its semilocal part; its omega "
                f"is {{HYBRID[2]}}"
            )

    def eval_xc1(self, xc_code, rho, spin=0, deriv=1, omega=None):
        self._own(xc_code)
        self.omega = omega
        self.calls += 1
        return eval_xc(rho, spin, deriv)

    def hybrid_coeff(self, xc_code, spin=0):
        self._own(xc_code)
        return super().hybrid_coeff(xc_code, spin)

    def rsh_coeff(self, xc_code):
        self._own(xc_code)
        return super().rsh_coeff(xc_code)

    def nlc_coeff(self, xc_code):
        if xc_code != self.xc_code:  # a nonlocal part that was asked for in mf.nlc
            return super().nlc_coeff(xc_code)
        return () if VV10 is None else ((VV10, 1.0),)

    def _xc_type(self, xc_code):
        self._own(xc_code)
        return XCTYPE

    def _own(self, xc_code):
        if xc_code != self.xc_code:
            raise RuntimeError(
                f"mf.xc is {{xc_code!r}}, but attach made this object compute {{NAME}} (mf.xc = {{self.xc_code!r}})"
            )


def attach(mf):
    """Make an RKS, UKS or ROKS object of a molecule (PySCF 2.11 or later) use this functional; returns it."""
    version = tuple(int(part) for part in re.findall(r"\\d+", pyscf.__version__)[:2])
    if version < (2, 11):
        raise RuntimeError(f"PySCF {{pyscf.__version__}} may compute another functional; install 2.11 or later")
    kind = type(mf)
    if not isinstance(getattr(mf, "_numint", None), numint.NumInt) or not hasattr(mf, "xc"):
        raise TypeError(
            "expected a PySCF Kohn-Sham object of a molecule (pyscf.dft's RKS, UKS or ROKS; not GKS, not periodic), "
            f"got {{kind.__module__}}.{{kind.__name__}}"
        )
    # PySCF asks a libxc functional of the same family for exact exchange, range separation and VV10. Its own values are
    # scaled by 1e300: a calculation that lost the integrator above would overflow, not silently use another functional.
    parents = {{"LDA": "lda_x", "GGA": "gga_x_pbe", "MGGA": "mgga_x_tpss"}}
    if VV10 is not None:
        parents = {{"LDA": "gga_xc_vv10", "GGA": "gga_xc_vv10", "MGGA": "mgga_xc_b97m_v"}}
    code = "fastsfes:{digest}"
    libxc.register_custom_functional_(code, parents[XCTYPE], hyb=HYBRID, facs=(1e300,))
    integrator = NumInt(code)
    integrator.omega = mf._numint.omega  # refused where it was set to another value
    layer = mf
    while layer is not None:  # a second-order object computes with the object that it was made from
        layer.xc = code
        layer._numint = integrator
        layer.converged = False
        layer = getattr(layer, "_scf", None)
    return mf
'''


def files(functional: Functional, stem: str) -> dict[str, str]:
    """One Python file."""
    # VV10's parents in PySCF are GGA and meta-GGA: an LDA with VV10 is evaluated as a GGA
    xctype = "gga" if functional.nlc is not None and functional.family == "lda" else functional.family
    cases, helpers = [], dict[str, None]()
    layouts = tuple(layout(functional, polarised) for polarised in (False, True))
    for polarised, made in zip((False, True), layouts, strict=True):
        variables = [v for g in _XCTYPE[xctype] for v in VARIABLES[polarised][g]]
        names = parameter_names(functional)
        leaves = {v: v for v in variables} | {p: names[p] for p in made.parameters}
        code = straight_line(_rows(made, variables), NUMPY, leaves)
        helpers |= dict.fromkeys(code.helpers)
        lines = [f"def {'_pol' if polarised else '_unpol'}(order, {', '.join(variables)}):"]
        lines += [f'    {names[p]} = np.float64(PARAMETERS["{names[p]}"])' for p in made.parameters]
        cases += ["", "", *lines, *body(code, "rows")]
    h = functional.hybrid
    head = _HEAD.format(
        name=identifier(functional.name),
        xctype=xctype.upper(),
        hybrid=(h.short_range, h.long_range, h.omega),
        nlc=None if functional.nlc is None else (functional.nlc.b, functional.nlc.C),
        parameters="\n".join(parameter_table(layouts, functional)),
    )
    usage = [
        "",
        "    from pyscf import dft, gto",
        f"    import {identifier(stem)}",
        f"    mf = {identifier(stem)}.attach(dft.RKS(gto.M(atom='He', basis='def2-svp')))",
        "    mf.kernel()",
        "",
        "SCF, second-order SCF, density fitting, gradients, TDDFT and Hessians use it as far as PySCF needs no third",
        "derivatives. Needs NumPy and PySCF (with SciPy, which PySCF brings) only.",
    ]
    text = line_comments([*description(functional), *usage]) + head
    text += "".join(f"\n\n{helper}" for helper in helpers) + "\n".join(cases) + "\n"
    return {"": text + _TAIL.format(digest=functional.digest)}


def _rows(made: Layout, variables: list[str]) -> list[list[Expression]]:
    """Energy, first derivatives, upper triangle of the second: the rows of PySCF's eval_xc1."""
    zero = Expression.constant(0.0)
    polarised = len(VARIABLES[True]["rho"]) == sum(v.startswith("rho") for v in variables)
    groups = {g: n for g, n in VARIABLES[polarised].items() if set(n) & set(made.inputs)}
    found: dict[tuple[str, ...], Expression] = {}
    for order in (1, 2):
        for key, components in derivative_keys(groups, order).items():
            if key in made.orders[order]:
                found |= dict(zip(components, made.orders[order][key], strict=True))
    first = [found.get((v,), zero) for v in variables]
    second = [found.get((a, b), zero) for i, a in enumerate(variables) for b in variables[i:]]
    return [list(made.orders[0]["exc"]), first, second]
