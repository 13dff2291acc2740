"""Functionals of libxc, through PySCF, for comparison beside our own: values and derivatives, no formula.

libxc: Lehtola, Steigemann, Oliveira, Marques, SoftwareX 7, 1 (2018), 10.1016/j.softx.2017.11.002.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..common.errors import InputError
from .formulas import VARIABLES, derivative_keys
from .frame import VV10, Frame, Hybrid
from .functional import EnergyDensity, grid_inputs

__all__ = ["GROUPS", "KINDS", "LibxcFunctional", "libxc_frame"]

KINDS = ("exchange", "correlation", "exchange-correlation", "kinetic")
"""Kinds of functionals, as libxc numbers them."""

GROUPS = {"LDA": ("rho",), "GGA": ("rho", "sigma"), "MGGA": ("rho", "sigma", "tau")}
"""Variables of every family, by libxc's name of it."""


def _parts(code: str) -> tuple[str, bool, str]:
    """PySCF's own reading of a code: what libxc evaluates, whether VV10 may belong to it, a dispersion correction."""
    from pyscf.scf.dispersion import parse_dft

    semilocal, nlc, dispersion = parse_dft(code)
    # without a dispersion correction the code stays as it is written
    return (str(semilocal), nlc != 0, str(dispersion)) if dispersion else (code, True, "")


def libxc_frame(code: str) -> Frame:
    """Exact exchange and nonlocal correlation that PySCF's code of a functional stands for.

    Raises:
        InputError: when it has several VV10 terms, or a scaled one.
    """
    from pyscf.dft import libxc

    semilocal, has_nlc, _ = _parts(code)
    omega, long_range, difference = map(float, libxc.rsh_coeff(semilocal))
    # PySCF gives the difference, which carries the rounding of its subtraction
    hybrid = Hybrid(omega, round(long_range + difference, 14), long_range)
    if omega == 0.0:
        fraction = float(libxc.hybrid_coeff(semilocal))
        hybrid = Hybrid(0.0, fraction, fraction)
    found: Any = libxc.nlc_coeff(semilocal) if has_nlc else ()
    if not found:
        return Frame(hybrid, source=code)
    ((b, c), factor), *more = found
    if more or factor != 1:
        raise InputError(f'"{code}" has scaled or several VV10 terms; expected one')
    return Frame(hybrid, VV10(float(b), float(c)), source=code)


@dataclass(frozen=True)
class LibxcFunctional:
    """A functional of libxc that is evaluated like a `fastsfes.Functional`.

    Args:
        code: what PySCF takes for ``mf.xc``: one name of libxc ("gga_x_pbe"), or a sum of them ("gga_x_pbe,gga_c_pbe").
            A name may end in a dispersion correction ("wb97m-d3bj"): it is part of self-consistent total energies
            and of no density; where PySCF puts it in the place of VV10, there is no VV10.

    Raises:
        InputError: when libxc has no such functional, or when it needs the Laplacian of the density.
    """

    code: str

    def __post_init__(self) -> None:
        from pyscf.dft import libxc

        try:
            kind = libxc.xc_type(self.semilocal)
            laplacian = libxc.needs_laplacian(self.semilocal)
        except (KeyError, ValueError, NotImplementedError):  # PySCF raises each of them for some wrong name
            raise InputError(
                f'libxc has no functional "{self.code}"; expected a name such as mgga_x_r2scan or a sum such as '
                "gga_x_pbe,gga_c_pbe"
            ) from None
        if kind not in GROUPS:
            raise InputError(f'"{self.code}" has no semilocal part; expected an LDA, GGA or meta-GGA functional')
        if laplacian:
            raise InputError(f'"{self.code}" needs the Laplacian of the density, which is not computed here')

    @property
    def semilocal(self) -> str:
        """The code without a dispersion correction."""
        return _parts(self.code)[0]

    @property
    def dispersion(self) -> str:
        """PySCF's name of the dispersion correction, such as "d3bj"; "" for none."""
        return _parts(self.code)[2]

    @property
    def name(self) -> str:
        """Its name, as `fastsfes.functionals.load.load_comparison` reads it."""
        return f"libxc:{self.code}"

    @property
    def citation(self) -> str:
        """Where it comes from."""
        return "libxc, 10.1016/j.softx.2017.11.002"

    @cached_property
    def family(self) -> str:
        """ "lda", "gga" or "mgga"."""
        from pyscf.dft import libxc

        return str(libxc.xc_type(self.semilocal)).lower()

    @cached_property
    def hybrid(self) -> Hybrid:
        """Exact exchange that belongs to it."""
        return libxc_frame(self.code).hybrid

    @cached_property
    def nlc(self) -> VV10 | None:
        """VV10 parameters, or None."""
        return libxc_frame(self.code).nlc

    @cached_property
    def components(self) -> tuple[tuple[str, LibxcFunctional], ...]:
        """The functionals of libxc that it is the sum of, each with its kind as libxc says: one of `KINDS`."""
        from pyscf.dft import libxc

        cache = libxc.XCFunctionalCache(self.semilocal, 1)
        info = libxc._itrf.xc_func_get_info
        info.restype = ctypes.c_void_p
        kinds = [KINDS[libxc._itrf.xc_func_info_get_kind(ctypes.c_void_p(info(p)))] for p in cache.xc_objs]
        terms = zip(kinds, cache.facs, cache.fn_ids, strict=True)
        return tuple((kind, LibxcFunctional(f"{float(factor)!r}*{int(number)}")) for kind, factor, number in terms)

    def energy_density(
        self,
        rho: ArrayLike,
        sigma: ArrayLike | None = None,
        tau: ArrayLike | None = None,
        deriv: int = 0,
        *,
        threads: int = 0,
    ) -> EnergyDensity:
        """Semilocal energy per volume and its derivatives; arguments and result as `Functional.energy_density`.

        libxc's own density thresholds hold; `threads` is ignored (OMP_NUM_THREADS counts).
        """
        from pyscf.dft import libxc

        named, polarised = grid_inputs(rho, sigma, tau, deriv)
        groups = {g: VARIABLES[polarised][g] for g in GROUPS[self.family.upper()]}
        for group, names in groups.items():
            if names[0] not in named:
                raise InputError(f'functional "{self.name}" is of family {self.family}: it needs {group}')
        rows = libxc.eval_xc1(self.semilocal, _density_rows(named, groups, polarised), int(polarised), deriv)
        order = [v for names in groups.values() for v in names]
        tuples = (t for k in range(deriv + 1) for t in combinations_with_replacement(order, k))
        place = {names: row for row, names in enumerate(tuples)}  # PySCF's order
        density = sum(named[v] for v in groups["rho"])
        arrays: dict[str, NDArray[np.float64]] = {"exc": rows[0] * density}
        for key, components in derivative_keys(groups, deriv).items():
            values = np.array([rows[place[c]] for c in components])
            arrays[key] = values if polarised else values[0]
        return EnergyDensity(**arrays)


def _density_rows(
    named: dict[str, NDArray[np.float64]], groups: dict[str, tuple[str, ...]], polarised: bool
) -> NDArray[np.float64]:
    """PySCF's rows (density, three gradients, tau) of each spin; gradients of the lengths and angle that sigma says."""
    spins = ("_a", "_b") if polarised else ("",)
    rows = [[named[f"rho{s}"]] for s in spins]
    zero = np.zeros_like(rows[0][0])
    if "sigma" in groups and not polarised:
        rows[0] += [np.sqrt(np.maximum(named["sigma"], 0.0)), zero, zero]
    elif "sigma" in groups:
        a = np.sqrt(np.maximum(named["sigma_aa"], 0.0))
        along = np.divide(named["sigma_ab"], a, out=np.zeros_like(a), where=a > 0.0)
        rows[0] += [a, zero, zero]
        rows[1] += [along, np.sqrt(np.maximum(named["sigma_bb"] - along**2, 0.0)), zero]
    if "tau" in groups:
        for row, s in zip(rows, spins, strict=True):
            row.append(named[f"tau{s}"])
    return np.array(rows if polarised else rows[0])
