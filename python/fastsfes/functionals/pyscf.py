"""Functionals in PySCF's self-consistent calculations.

    mf = fastsfes.pyscf.attach(dft.RKS(mol), "gas22")
    mf.kernel()

PySCF asks libxc for a functional's family, exact exchange, range separation and nonlocal correlation by the *name* in
``mf.xc``, and its numerical integrator for the values. `attach` therefore registers a libxc functional that answers the
first kind of question and overrides `NumInt.eval_xc1` for the second, which SCF, second-order SCF, density fitting,
nuclear gradients, TDDFT and Hessians all go through. Another functional is never computed silently: our integrator
refuses every name but its own, and libxc refuses to evaluate the registered one.

    fastsfes.pyscf.register("mine.json", name="mine")
    mf.xc = "mine"

`register` goes one level deeper: PySCF's interface to libxc itself answers for the name, so that every part of PySCF
has the functional, with periodic boundary conditions and spinors, too.
"""

from __future__ import annotations

import ctypes
import re
from functools import lru_cache
from itertools import combinations_with_replacement
from typing import Any, NoReturn

import numpy as np
import pyscf
from numpy.typing import NDArray
from pyscf.dft import libxc, numint, rks
from pyscf.lib import numpy_helper

from .._core import __version__, borrow_threads
from ..common.errors import FastsfesError, InputError
from .formulas import VARIABLES, derivative_keys
from .functional import HIGHEST_DERIVATIVE, EnergyDensity, Functional
from .kernels import compile_in_background
from .libxc import GROUPS
from .load import load

__all__ = ["NumInt", "attach", "register"]

#: PySCF older than this registers no custom functionals, or evaluates another one (see docs/pyscf.md).
FLOOR = (2, 11)

# A libxc functional of each family, of one component and without exact exchange, without and with VV10: only its
# family matters.
_PARENT = {"lda": "lda_x", "gga": "gga_x_pbe", "mgga": "mgga_x_tpss"}
_PARENT_NLC = {"lda": "gga_xc_vv10", "gga": "gga_xc_vv10", "mgga": "mgga_xc_b97m_v"}

# Order of the derivatives in PySCF's ``eval_xc``; those with the Laplacian of the density stay None.
_LISTS = (
    "vrho vsigma vlapl vtau",
    "v2rho2 v2rhosigma v2sigma2 v2lapl2 v2tau2 v2rholapl v2rhotau v2lapltau v2sigmalapl v2sigmatau",
    "v3rho3 v3rho2sigma v3rhosigma2 v3sigma3 v3rho2lapl v3rho2tau v3rhosigmalapl v3rhosigmatau v3rholapl2 v3rholapltau "
    "v3rhotau2 v3sigma2lapl v3sigma2tau v3sigmalapl2 v3sigmalapltau v3sigmatau2 v3lapl3 v3lapl2tau v3lapltau2 v3tau3",
)
_LISTED = {"LDA": (1, 1, 1), "GGA": (2, 3, 4), "MGGA": (4, 10, 20)}

# What PySCF takes for something else wherever it stands in a name.
_MISREAD = ("cs", "cc06", "br89", "mk00", "d3", "d4", "3c")

# Number of a functional that libxc does not have and never evaluates.
_NO_FUNCTIONAL = 999_999_999

# Should a version of PySCF evaluate the registered functional without asking for `needs_laplacian` first, the energy
# overflows.
_POISON = 1e300


def _one_team() -> None:
    """Let our kernels run in the threads of PySCF's OpenMP, whose number ``pyscf.lib.num_threads`` sets.

    Wheels of PySCF bring an OpenMP of their own. Its threads and those of ours would wait for work actively, on the
    cores that the other ones need at that time: a call of a millisecond would take ten, and delay what follows.
    """
    library = numpy_helper._np_helper
    try:
        parallel, max_threads = (getattr(library, name) for name in ("GOMP_parallel", "omp_get_max_threads"))
    except AttributeError:  # PySCF was built without OpenMP
        return
    borrow_threads(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in (parallel, max_threads)))


_one_team()


class _StandIn(libxc.XCFunctionalCache):  # type: ignore[misc]  # PySCF has no types
    """What is registered with libxc: answers what kind of functional it is and refuses to be evaluated."""

    @property
    def needs_laplacian(self) -> NoReturn:  # libxc looks at it before every evaluation, and at no other time
        raise FastsfesError(
            f"libxc was asked for values of {self.xc_code}, which only fastsfes has: libxc was called directly instead "
            f"of mf._numint, mf._numint was replaced, or this part of PySCF does not use it (GKS, MC-PDFT); call "
            f"fastsfes.pyscf.attach again, on RKS, UKS or ROKS"
        )


class _Registered(libxc.XCFunctionalCache):  # type: ignore[misc]  # PySCF has no types
    """What `register` puts in the place of a functional of libxc: `_evaluate` computes its values.

    Attributes:
        functional: the functional.
    """

    functional: Functional
    needs_laplacian = False

    @property
    def nlc_coeff(self) -> tuple[tuple[tuple[float, float], float], ...]:
        """VV10's parameters and factor."""
        nlc = self.functional.nlc
        return () if nlc is None else (((nlc.b, nlc.C), 1.0),)

    def evaluate(self, rho: NDArray[np.float64], deriv: int, omega: float | None) -> NDArray[np.float64]:
        """Rows as `NumInt.eval_xc1` has them."""
        _check_request(self.functional, deriv, omega)
        density, sigma, tau = _variables(rho, self.spin, self.xc_type)
        values = self.functional.energy_density(density, sigma, tau, deriv=deriv)
        return _rows(values, density.sum(axis=0) if self.spin else density, self.xc_type, bool(self.spin), deriv)


def _check_request(functional: Functional, deriv: int, omega: float | None) -> None:
    """Refuse what would be another functional, and derivatives that there are not."""
    if omega is not None and omega != functional.hybrid.omega:
        raise InputError(
            f"omega = {omega} would change the exact exchange of {functional.name} but not its semilocal part; its "
            f"omega is {functional.hybrid.omega}: use a functional that has another one"
        )
    if deriv > HIGHEST_DERIVATIVE:
        raise InputError(
            f"PySCF asks for derivatives of order {deriv} of {functional.name}; fastsfes gives orders up to "
            f"{HIGHEST_DERIVATIVE}"
        )


class _Library:
    """PySCF's interface to libxc with the reference of our functional, for the log of a calculation."""

    __name__ = "fastsfes"
    __version__ = __version__

    def __init__(self, functional: Functional) -> None:
        self.__reference__ = f"{functional.name}: {functional.citation or 'no citation'}"

    def xc_reference(self, xc_code: str) -> list[str]:
        """The functional's citation."""
        return [self.__reference__]

    def __getattr__(self, name: str) -> Any:
        return getattr(libxc, name)


class NumInt(numint.NumInt):  # type: ignore[misc]  # PySCF has no types
    """PySCF's numerical integrator with the values of a fastsfes functional.

    Attributes:
        functional: the functional.
        xc_code: its name in ``mf.xc``, the only one that is evaluated.
        xctype: "LDA", "GGA" or "MGGA", as PySCF calls the family.
        calls: how often the functional has been evaluated.
    """

    def __init__(self, functional: Functional) -> None:
        super().__init__()
        self.functional = functional
        self.calls = 0
        self.xc_code = _register(functional)
        self.xctype: str = libxc.xc_type(self.xc_code)
        self.libxc = _Library(functional)

    def __getstate__(self) -> dict[str, Any]:
        return {"functional": self.functional, "calls": self.calls}

    def __setstate__(self, state: dict[str, Any]) -> None:  # another process has to register the functional too
        NumInt.__init__(self, state["functional"])
        self.calls = state["calls"]

    @property
    def omega(self) -> None:
        """PySCF's override of the range separation; there is none."""
        return None

    @omega.setter
    def omega(self, value: float | None) -> None:
        _check_request(self.functional, 0, value)

    def eval_xc1(
        self,
        xc_code: str,
        rho: NDArray[np.float64],
        spin: int = 0,
        deriv: int = 1,
        omega: float | None = None,
    ) -> NDArray[np.float64]:
        """Energy per electron and derivatives in PySCF's order: (number of components, number of points)."""
        if not self._own(xc_code):
            return np.asarray(super().eval_xc1(xc_code, rho, spin, deriv, omega))
        _check_request(self.functional, deriv, omega)
        self.calls += 1
        density, sigma, tau = _variables(np.asarray(rho, dtype=float), spin, self.xctype)
        values = self.functional.energy_density(density, sigma, tau, deriv=deriv)
        return _rows(values, density.sum(axis=0) if spin else density, self.xctype, bool(spin), deriv)

    def eval_xc(
        self,
        xc_code: str,
        rho: Any,
        spin: int = 0,
        relativity: int = 0,
        deriv: int = 1,
        omega: float | None = None,
        verbose: Any = None,
    ) -> tuple[Any, Any, Any, Any]:
        """Energy per electron and lists of derivatives in the layout of ``pyscf.dft.libxc.eval_xc``."""
        rows = self.eval_xc1(xc_code, rho, spin, deriv, omega)
        found: dict[str, dict[int, NDArray[np.float64]]] = {}
        for row, (name, component) in zip(rows[1:], _places(self.xctype, bool(spin), deriv), strict=True):
            found.setdefault(name, {})[component] = row
        lists: list[Any] = [None, None, None]
        for k in range(min(deriv, 3)):
            names = _LISTS[k].split()[: _LISTED[self.xctype][k]]
            lists[k] = [_libxc_array(found[name], bool(spin)) if name in found else None for name in names]
        return rows[0], lists[0], lists[1], lists[2]

    def to_gpu(self) -> NoReturn:
        """There is no integrator for GPUs that has the functional."""
        raise FastsfesError(f"{self.functional.name} is computed on CPUs only: to_gpu() would lose it")

    def hybrid_coeff(self, xc_code: str, spin: int = 0) -> float:
        """Fraction of exact exchange at short range."""
        self._own(xc_code)
        return float(super().hybrid_coeff(xc_code, spin))

    def rsh_coeff(self, xc_code: str) -> tuple[float, float, float]:
        """Range separation (omega, long-range fraction, short-range minus long-range fraction)."""
        self._own(xc_code)
        omega, alpha, beta = super().rsh_coeff(xc_code)
        return omega, alpha, beta

    def nlc_coeff(self, xc_code: str) -> tuple[tuple[tuple[float, float], float], ...]:
        """VV10's b and C with their weight; another name is a nonlocal part that was asked for in ``mf.nlc``."""
        if xc_code != self.xc_code:
            other: tuple[tuple[tuple[float, float], float], ...] = super().nlc_coeff(xc_code)
            return other
        nlc = self.functional.nlc
        return () if nlc is None else (((nlc.b, nlc.C), 1.0),)

    def _xc_type(self, xc_code: str) -> str:
        return self.xctype if self._own(xc_code) else str(super()._xc_type(xc_code))

    def _own(self, xc_code: str) -> bool:
        """Whether the functional is asked for; "" is PySCF's word for none (direct RPA), and no other is answered."""
        if xc_code and xc_code != self.xc_code:
            raise FastsfesError(
                f"mf.xc is {xc_code!r}, but fastsfes.pyscf.attach made this object compute {self.functional.name} "
                f"(mf.xc = {self.xc_code!r}); attach another functional, or make a new PySCF object"
            )
        return bool(xc_code)


def _variables(
    rho: NDArray[np.float64], spin: int, xctype: str
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Density, gradient products and tau from PySCF's rows (density, three gradients, tau) of each spin."""
    if xctype == "LDA":
        return (rho[:, 0] if rho.ndim == 3 else rho) if spin else (rho[0] if rho.ndim == 2 else rho), None, None
    if spin:
        a, b = rho[0, 1:4], rho[1, 1:4]
        sigma = np.array([(a * a).sum(axis=0), (a * b).sum(axis=0), (b * b).sum(axis=0)])
        # the Laplacian may stand before tau
        return rho[:, 0], sigma, rho[:, -1] if xctype == "MGGA" else None
    gradient = rho[1:4]
    return rho[0], (gradient * gradient).sum(axis=0), rho[-1] if xctype == "MGGA" else None


def _rows(
    values: EnergyDensity, density: NDArray[np.float64], xctype: str, polarised: bool, deriv: int
) -> NDArray[np.float64]:
    """Rows as PySCF's eval_xc1 orders them: energy per electron, then derivatives by order (see `_places`)."""
    n = len(density)
    places = _places(xctype, polarised, deriv)
    out = np.zeros((1 + len(places), n))
    np.divide(values.exc, density, out=out[0], where=values.exc != 0.0)
    for row, (name, component) in zip(out[1:], places, strict=True):
        array: NDArray[np.float64] | None = getattr(values, name)
        if array is not None:  # else the functional does not depend on these variables
            row[:] = array.reshape(-1, n)[component]
    return out


def _libxc_array(components: dict[int, NDArray[np.float64]], polarised: bool) -> NDArray[np.float64]:
    """Components of a derivative as PySCF lists them: (n,), or (n, components) of two spins."""
    return np.array([components[k] for k in sorted(components)]).T if polarised else components[0]


@lru_cache
def _places(xctype: str, polarised: bool, deriv: int) -> tuple[tuple[str, int], ...]:
    """Attribute of `EnergyDensity` and component there for every derivative, those of order k in PySCF's order: all
    sorted k-tuples of rho_a, rho_b, sigma_aa, ..., tau_b.
    """
    groups = {g: VARIABLES[polarised][g] for g in GROUPS[xctype]}
    found = {t: (key, i) for key, names in derivative_keys(groups, deriv).items() for i, t in enumerate(names)}
    variables = [name for names in groups.values() for name in names]
    tuples = (t for order in range(1, deriv + 1) for t in combinations_with_replacement(variables, order))
    return tuple(found[t] for t in tuples)


def _register(functional: Functional) -> str:
    """Make the functional known to libxc; returns its name in ``mf.xc``."""
    # PySCF parses names: lower case, and no substring that it takes for something of its own; digits are safe.
    readable = re.sub(r"[^a-z0-9]+", "_", functional.name.lower())[:40]
    for word in _MISREAD:
        readable = readable.replace(word, "_")
    name = f"fastsfes:{readable}:{functional.digest}"
    _enter(name, functional, _StandIn)
    return name


def _enter(name: str, functional: Functional, kind: type[_StandIn] | type[_Registered]) -> None:
    """Put an entry under this name into PySCF's list of libxc's functionals."""
    hybrid = functional.hybrid
    parents = _PARENT if functional.nlc is None else _PARENT_NLC

    def change(entry: Any, *_: Any) -> None:
        entry.__class__ = kind
        entry.functional = functional

    libxc.XC_CODES.pop(name.upper(), None)  # of an earlier registration, for which PySCF would take a name of libxc's
    libxc.register_custom_functional_(
        name,
        parents[functional.family],
        hyb=(hybrid.short_range, hybrid.long_range, hybrid.omega),
        facs=(_POISON,),
        callback=change,
    )
    # What ``libxc.parse_xc`` says: the exact exchange, and a semilocal part that libxc does not have.
    fractions = (
        f"{hybrid.short_range!r}*HF"
        if not hybrid.omega
        else (f"{hybrid.short_range!r}*SR_HF({hybrid.omega!r})+{hybrid.long_range!r}*LR_HF({hybrid.omega!r})")
    )
    libxc.XC_CODES[name.upper()] = f"{fractions}+{_NO_FUNCTIONAL}"


def check_version() -> None:
    """Raise `FastsfesError` when PySCF is older than 2.11."""
    found = tuple(int(part) for part in re.findall(r"\d+", pyscf.__version__)[:2])
    if found < FLOOR:
        raise FastsfesError(
            f"PySCF {pyscf.__version__} is too old for custom functionals: versions before "
            f"{'.'.join(map(str, FLOOR))} may compute another functional; install a newer one"
        )


def attach(mf: Any, functional: Functional | str) -> Any:
    """Make a PySCF Kohn-Sham object use a functional; returns the same object.

    Args:
        mf: RKS, UKS or ROKS object (density-fitted, second-order, ... or not). Results of an earlier kernel stay as a
            starting point but count as not converged.
        functional: a `Functional`, or text that `load` reads (a registered name, a file, a run, a formula).

    Global and range-separated hybrids and VV10 follow the functional. Copies, conversions (``to_uks``, ``newton``,
    ``density_fit``), scanners and gradients made from the object keep it; ``mf._numint.calls`` counts evaluations.

    Raises:
        InputError: when `mf` is not such an object.
        FastsfesError: when PySCF is older than 2.11.
    """
    check_version()
    functional = load(functional)
    if not isinstance(getattr(mf, "_numint", None), numint.NumInt) or not hasattr(mf, "xc"):
        kind = f"{type(mf).__module__}.{type(mf).__name__}"
        raise InputError(f"expected a PySCF Kohn-Sham object of a molecule (pyscf.dft.RKS, UKS or ROKS), got {kind}")
    if isinstance(getattr(mf, "disp", None), str) and ":" not in mf.disp:
        raise InputError(
            f"mf.disp = {mf.disp!r}: PySCF takes the parameters of the correction from the functional's name; say "
            f'whose they are, as in "{mf.disp}:pbe"'
        )
    integrator = NumInt(functional)
    integrator.omega = mf._numint.omega  # refused where it was set to another value
    compile_in_background(functional, deriv=1, polarised=not isinstance(mf, rks.RKS))
    layer = mf
    while layer is not None:  # a second-order object computes its potential with the object that it was made from
        layer.xc = integrator.xc_code
        layer._numint = integrator
        layer.converged = False
        layer = getattr(layer, "_scf", None)
    return mf


_NAMES = re.compile(r"[a-z][a-z0-9_]*")


def register(functional: Functional | str, name: str) -> str:
    """Make a functional known to PySCF under a name: ``mf.xc = name`` then works as with one of libxc's.

    For molecules and periodic systems, with one, two or general spinors: whatever PySCF computes with libxc's values
    of the same family, hybrid or not.

    Args:
        functional: a `Functional`, or text that `load` reads (a registered name, a file, a run, a formula).
        name: lower-case letters, digits and underscores; a name that was registered before gets the new functional.

    Returns:
        The name.

    Raises:
        InputError: when PySCF has a functional of this name, or would misread it.
        FastsfesError: when PySCF is older than 2.11, or has changed where libxc is called.
    """
    check_version()
    functional = load(functional)
    misread = next((word for word in (*_MISREAD, "hf") if word in name), None)
    if not _NAMES.fullmatch(name) or misread:
        raise InputError(
            f'the name "{name}" cannot be used in PySCF; expected lower-case letters, digits and underscores'
            + (f', without "{misread}", which PySCF takes for something of its own' if misread else "")
        )
    ours = isinstance(libxc._CUSTOM_FUNC_R.get(name), _Registered)
    if not ours and _is_known(name):
        raise InputError(f'PySCF has a functional called "{name}"; choose another name')
    if not hasattr(libxc, "_eval_xc"):
        raise FastsfesError(f"PySCF {pyscf.__version__} calls libxc in another way; use fastsfes.pyscf.attach")
    if libxc._eval_xc is not _evaluate:
        _of_libxc.append(libxc._eval_xc)
        libxc._eval_xc = _evaluate
    _enter(name, functional, _Registered)
    return name


def _is_known(name: str) -> bool:
    """Whether PySCF finds a functional of libxc by this name."""
    try:
        libxc.parse_xc(name)
    except KeyError:
        return False
    return True


_of_libxc: list[Any] = []
"""PySCF's function in whose place `_evaluate` stands."""


def _evaluate(xc_code: str, rho: Any, spin: int = 0, deriv: int = 1, omega: float | None = None) -> NDArray[np.float64]:
    """PySCF's only call of libxc for values: ours for registered names, in libxc's order of components."""
    entry = libxc._get_xc(xc_code, spin, omega)
    if not isinstance(entry, _Registered):
        return np.asarray(_of_libxc[-1](xc_code, rho, spin, deriv, omega))
    rows = entry.evaluate(np.asarray(rho, dtype=float), deriv, omega)
    out = np.empty_like(rows)
    out[libxc._libxc_to_xcfun_indices(entry.xc_type, spin, deriv)] = rows
    return out
