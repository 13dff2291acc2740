"""The functionals that fastsfes knows by name, each with its source and a reference point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..common.arguments import nearest
from ..common.errors import InputError
from ..formula.expression import Expression
from . import published
from .coach import COACH
from .frame import SYFES, VV10, WB97M_V, Frame, Hybrid
from .functional import Channel, Functional
from .gammas import GAMMAS

__all__ = ["ReferencePoint", "get_functional", "list_functionals", "reference_point"]

# One polarised point at which every functional is checked: rho (a, b), sigma (aa, ab, bb), tau (a, b), atomic units.
REFERENCE_RHO = (0.3, 0.2)
REFERENCE_SIGMA = (0.12, 0.05, 0.07)
REFERENCE_TAU = (0.35, 0.18)


@dataclass(frozen=True)
class ReferencePoint:
    """An independent value of a functional: the energy per volume (hartree/bohr^3) at one polarised point."""

    rho: tuple[float, float]
    sigma: tuple[float, float, float]
    tau: tuple[float, float]
    exc: float
    tolerance: float
    """Relative. libxc evaluates the same formulas in another order; a few dozen roundings separate the two."""


_SEMILOCAL = Frame()


@dataclass(frozen=True)
class _Entry:
    channels: Mapping[str, tuple[str, Mapping[str, float]]]
    libxc: str
    citation: str
    frame: Frame = _SEMILOCAL
    aliases: tuple[str, ...] = ()


_PBE_X = {"kappa": 0.804, "mu": 0.2195149727645171}
_REVPBE_X = {**_PBE_X, "kappa": 1.245}
_PBE_C = {"beta_c": 0.06672455060314922, "gamma": 0.031090690869654895}
_B97_FORM = "c0 + c1*u(x2, g) + c2*u(x2, g)**2"
_B97_X = (_B97_FORM, {"c0": 0.8094, "c1": 0.5073, "c2": 0.7481, "g": GAMMAS["x"]})
_LDA_X: tuple[str, dict[str, float]] = ("1", {})
_PBE_C_CHANNEL = ("pbe_c_spin(rho_a, rho_b, sigma, beta_c, gamma)", _PBE_C)

_PBE_CITATION = "Perdew, Burke, Ernzerhof, Phys. Rev. Lett. 77, 3865 (1996), 10.1103/PhysRevLett.77.3865"
_REVPBE_CITATION = "Zhang, Yang, Phys. Rev. Lett. 80, 890 (1998), 10.1103/PhysRevLett.80.890"
_RPBE_CITATION = "Hammer, Hansen, Norskov, Phys. Rev. B 59, 7413 (1999), 10.1103/PhysRevB.59.7413"
_PW92_CITATION = "Perdew, Wang, Phys. Rev. B 45, 13244 (1992), 10.1103/PhysRevB.45.13244"
_LDA_CITATION = "Dirac, Proc. Camb. Phil. Soc. 26, 376 (1930), 10.1017/S0305004100016108"
_VWN_CITATION = "Vosko, Wilk, Nusair, Can. J. Phys. 58, 1200 (1980), 10.1139/p80-159"
_LYP_CITATION = "Lee, Yang, Parr, Phys. Rev. B 37, 785 (1988), 10.1103/PhysRevB.37.785"
_B97_CITATION = "Becke, J. Chem. Phys. 107, 8554 (1997), 10.1063/1.475007"

OWN_CITATION = "The fastsfes developers, fastsfes (2026), docs/fs26.md"
"""Of what was found with this program and is not in an article."""

_GAS22_CITATION = "Ma, Narayanaswamy, Riley, Li, Sci. Adv. 8, eabq0279 (2022), 10.1126/sciadv.abq0279"
_GAS22: dict[str, tuple[str, dict[str, float]]] = {
    "x": (
        "c0 + c1*u(x2, g) + c2*w",
        {
            "c0": 0.862139736374172,
            "c1": 0.936993691972698,
            "c2": 0.317533683085033,
            "g": 0.003840616724010807,
        },
    ),
    "css": (
        "u(x2, g) + c1*w + c2*w**2 + c3*u(x2, g)**6 + c4*u(x2, g)**6*w**4",
        {
            "c1": -4.10753796482853,
            "c2": -5.24218990333846,
            "c3": -1.76643208454076,
            "c4": 7.5380689617542,
            "g": 0.46914023462026644,
        },
    ),
    "cos": (
        "c0 + c1*w**2 + c2*w**2*cbrt(x2) + c3*w**6 + c4*w**6*cbrt(x2)",
        {
            "c0": 0.805124374375355,
            "c1": 7.98909430970845,
            "c2": -1.76098915061634,
            "c3": -7.54815900595292,
            "c4": 2.00093961824784,
        },
    ),
}

_REGISTRY: dict[str, _Entry] = {
    "lda_x": _Entry({"x": _LDA_X}, "lda_x", _LDA_CITATION),
    "pw92": _Entry({"c": ("1", {})}, "lda_c_pw_mod", _PW92_CITATION),
    "lda": _Entry({"x": _LDA_X, "c": ("1", {})}, "lda_x,lda_c_pw_mod", f"{_LDA_CITATION}; {_PW92_CITATION}"),
    "b88_x": _Entry(
        {"x": ("b88_x(x2, beta_x)", {"beta_x": 0.0042})},
        "gga_x_b88",
        "Becke, Phys. Rev. A 38, 3098 (1988), 10.1103/PhysRevA.38.3098",
        aliases=("b88",),
    ),
    "vwn_c": _Entry({"one": published.VWN_C}, "lda_c_vwn", _VWN_CITATION, aliases=("vwn", "vwn5")),
    "vwn_rpa_c": _Entry({"one": published.VWN_RPA_C}, "lda_c_vwn_rpa", _VWN_CITATION, aliases=("vwn_rpa",)),
    "lyp_c": _Entry({"one": published.LYP_C}, "gga_c_lyp", _LYP_CITATION, aliases=("lyp",)),
    "b3lyp": _Entry(
        published.B3LYP,
        "hyb_gga_xc_b3lyp",
        "Stephens, Devlin, Chabalowski, Frisch, J. Phys. Chem. 98, 11623 (1994), 10.1021/j100096a001",
        Frame(Hybrid(0.0, 0.2, 0.2)),
    ),
    "cam_b3lyp": _Entry(
        published.CAM_B3LYP,
        "hyb_gga_xc_cam_b3lyp",
        "Yanai, Tew, Handy, Chem. Phys. Lett. 393, 51 (2004), 10.1016/j.cplett.2004.06.011",
        Frame(Hybrid(0.33, 0.19, 0.65)),
        aliases=("cam-b3lyp", "camb3lyp"),
    ),
    "hjs_pbe": _Entry(
        {"x": published.HJS_PBE_X, "one": _PBE_C_CHANNEL},
        "hyb_gga_xc_hjs_pbe",
        "Henderson, Janesko, Scuseria, J. Chem. Phys. 128, 194105 (2008), 10.1063/1.2921797",
        Frame(Hybrid(0.11, 0.25, 0.0)),
    ),
    "pbe_x": _Entry({"x": ("pbe_x(x2, kappa, mu)", _PBE_X)}, "gga_x_pbe", _PBE_CITATION),
    "rpbe_x": _Entry({"x": ("rpbe_x(x2, kappa, mu)", _PBE_X)}, "gga_x_rpbe", _RPBE_CITATION),
    "pbe_c": _Entry({"one": _PBE_C_CHANNEL}, "gga_c_pbe", _PBE_CITATION),
    "pbe": _Entry({"x": ("pbe_x(x2, kappa, mu)", _PBE_X), "one": _PBE_C_CHANNEL}, "gga_x_pbe,gga_c_pbe", _PBE_CITATION),
    "rpbe": _Entry(
        {"x": ("rpbe_x(x2, kappa, mu)", _PBE_X), "one": _PBE_C_CHANNEL},
        "gga_x_rpbe,gga_c_pbe",
        _RPBE_CITATION,
    ),
    "revpbe_x": _Entry({"x": ("pbe_x(x2, kappa, mu)", _REVPBE_X)}, "gga_x_pbe_r", _REVPBE_CITATION),
    "revpbe": _Entry(
        {"x": ("pbe_x(x2, kappa, mu)", _REVPBE_X), "one": _PBE_C_CHANNEL}, "gga_x_pbe_r,gga_c_pbe", _REVPBE_CITATION
    ),
    "pbe0": _Entry(
        {"x": ("a*pbe_x(x2, kappa, mu)", {"a": 0.75, **_PBE_X}), "one": _PBE_C_CHANNEL},
        "hyb_gga_xc_pbeh",
        "Adamo, Barone, J. Chem. Phys. 110, 6158 (1999), 10.1063/1.478522",
        Frame(Hybrid(0.0, 0.25, 0.25)),
    ),
    "tpss": _Entry(
        {"x": published.TPSS_X, "one": published.TPSS_C},
        "mgga_x_tpss,mgga_c_tpss",
        "Tao, Perdew, Staroverov, Scuseria, Phys. Rev. Lett. 91, 146401 (2003), 10.1103/PhysRevLett.91.146401",
    ),
    "scan": _Entry(
        {"x": published.SCAN_X, "one": published.SCAN_C},
        "mgga_x_scan,mgga_c_scan",
        "Sun, Ruzsinszky, Perdew, Phys. Rev. Lett. 115, 036402 (2015), 10.1103/PhysRevLett.115.036402",
    ),
    "r2scan": _Entry(
        {"x": published.R2SCAN_X, "one": published.R2SCAN_C},
        "mgga_x_r2scan,mgga_c_r2scan",
        "Furness, Kaplan, Ning, Perdew, Sun, J. Phys. Chem. Lett. 11, 8208 (2020), 10.1021/acs.jpclett.0c02405",
    ),
    "m06_l": _Entry(
        published.M06_L,
        "mgga_x_m06_l,mgga_c_m06_l",
        "Zhao, Truhlar, J. Chem. Phys. 125, 194101 (2006), 10.1063/1.2370993",
        aliases=("m06l", "m06-l"),
    ),
    "b97_x": _Entry({"x": _B97_X}, "", _B97_CITATION, aliases=("b97x",)),
    "b97": _Entry(
        {
            "x": _B97_X,
            "css": (_B97_FORM, {"c0": 0.1737, "c1": 2.3487, "c2": -2.4868, "g": GAMMAS["css"]}),
            "cos": (_B97_FORM, {"c0": 0.9454, "c1": 0.7471, "c2": -4.5961, "g": GAMMAS["cos"]}),
        },
        "hyb_gga_xc_b97",
        _B97_CITATION,
        Frame(Hybrid(0.0, 0.1943, 0.1943), correlation="pw92"),
    ),
    "wb97x_v": _Entry(
        {
            "x": (_B97_FORM, {"c0": 0.833, "c1": 0.603, "c2": 1.194, "g": GAMMAS["x"]}),
            "css": ("c0 + c1*u(x2, g)", {"c0": 0.556, "c1": -0.257, "g": GAMMAS["css"]}),
            "cos": ("c0 + c1*u(x2, g)", {"c0": 1.219, "c1": -1.85, "g": GAMMAS["cos"]}),
        },
        "hyb_gga_xc_wb97x_v",
        "Mardirossian, Head-Gordon, Phys. Chem. Chem. Phys. 16, 9904 (2014), 10.1039/C3CP54374A",
        Frame(Hybrid(0.3, 0.167, 1.0), VV10(b=6.0, C=0.01), correlation="pw92"),
        aliases=("wb97x-v",),
    ),
    "b97m_v": _Entry(
        {
            "x": (
                "c0 + c1*w + c2*u(x2, g) + c3*w*u(x2, g) + c4*u(x2, g)**2",
                {"c0": 1.0, "c1": 0.416, "c2": 1.308, "c3": 3.07, "c4": 1.901, "g": GAMMAS["x"]},
            ),
            "css": (
                "c0 + c1*w + c2*u(x2, g)**2 + c3*w**3*u(x2, g)**2 + c4*w**4*u(x2, g)**2",
                {"c0": 1.0, "c1": -5.668, "c2": -1.855, "c3": -20.497, "c4": -20.364, "g": GAMMAS["css"]},
            ),
            "cos": (
                "c0 + c1*w + c2*u(x2, g) + c3*u(x2, g)**3 + c4*w**3*u(x2, g)**2",
                {"c0": 1.0, "c1": 2.535, "c2": 1.573, "c3": -6.298, "c4": -6.427, "g": GAMMAS["cos"]},
            ),
        },
        "mgga_xc_b97m_v",
        "Mardirossian, Head-Gordon, J. Chem. Phys. 142, 074111 (2015), 10.1063/1.4907719",
        Frame(Hybrid(), VV10(b=6.0, C=0.01)),
        aliases=("b97m-v",),
    ),
    "wb97m_v": _Entry(
        {
            "x": ("c0 + c1*u(x2, g) + c2*w", {"c0": 0.85, "c1": 1.007, "c2": 0.259, "g": GAMMAS["x"]}),
            "css": (
                "c0 + c1*w + c2*w**2 + c3*w**4*u(x2, g)**3 + c4*u(x2, g)**4",
                {"c0": 0.443, "c1": -4.535, "c2": -3.39, "c3": 4.278, "c4": -1.437, "g": GAMMAS["css"]},
            ),
            "cos": (
                "c0 + c1*w + c2*w**2 + c3*w**2*u(x2, g) + c4*w**6 + c5*w**6*u(x2, g)",
                {"c0": 1.0, "c1": 1.358, "c2": 2.924, "c3": -8.812, "c4": -1.39, "c5": 9.142, "g": GAMMAS["cos"]},
            ),
        },
        "hyb_mgga_xc_wb97m_v",
        "Mardirossian, Head-Gordon, J. Chem. Phys. 144, 214110 (2016), 10.1063/1.4952647",
        WB97M_V,
        aliases=("wb97m-v",),
    ),
    "coach": _Entry(
        COACH,
        "",
        "Liang, Head-Gordon, arXiv (2026), 10.48550/arXiv.2603.23466",
        Frame(Hybrid(0.27, 0.22878980716640696, 1.0), VV10(b=5.5, C=0.01), correlation="scan_alpha1"),
    ),
    "gas22": _Entry(
        _GAS22,
        "hyb_mgga_xc_gas22",
        f"{_GAS22_CITATION}, Eqs. 9-11",
        WB97M_V,
    ),
    # as published: SyFES has the constants of PW92 as printed, libxc's GAS22 has the modified ones
    "gas22_syfes": _Entry(_GAS22, "", f"{_GAS22_CITATION}, Eqs. 9-11, PW92 as printed", SYFES),
    # found with this program; what it is worth, and what not, stands in docs/fs26.md
    "fs26": _Entry(
        {
            "x": (
                "c0 + c1*w + c2*w**6 + c3*u(x2, 0.004) + c4*u(x2, 0.004)**2",
                {"c0": 0.85, "c1": 0.253, "c2": -0.394, "c3": 1.046, "c4": -0.212},
            ),
            "css": (
                "c0 + c1*w + c2*u(x2, 0.2) + c3*u(x2, 0.2)*w + c4*u(x2, 0.2)*w**2 + c5*u(x2, 0.2)**2*w"
                " + c6*u(x2, 0.2)**3*w**6",
                {"c0": 1.0, "c1": -7.512, "c2": -1.42, "c3": 11.844, "c4": -8.477, "c5": -8.397, "c6": 25.0},
            ),
            "cos": (
                "c0 + c1*w**2 + c2*u(x2, 0.006)*w**2 + c3*u(x2, 0.006)**2*w**4 + c4*u(x2, 0.006)**3*w**8",
                {"c0": 1.0, "c1": 5.009, "c2": -10.897, "c3": -14.297, "c4": 18.125},
            ),
        },
        "",
        OWN_CITATION,
        WB97M_V,
    ),
}

# Energies per volume at the reference point by libxc 7.0.0; for those that libxc lacks, their formulas in 30 digits.
_REFERENCE_EXC = {
    "lda_x": -0.2957123270014026,
    "pw92": -0.032344700887470414,
    "lda": -0.32805702788887303,
    "b88_x": -0.30039536584021015,
    "vwn_c": -0.0325120575289994,
    "vwn_rpa_c": -0.042318312018744524,
    "lyp_c": -0.02099181449063885,
    "b3lyp": -0.2649854985860425,
    "cam_b3lyp": -0.22761779977164168,
    "hjs_pbe": -0.26182773979724366,
    "pbe_x": -0.2996607013234593,
    "rpbe_x": -0.2996960907753155,
    "pbe_c": -0.029539227089425964,
    "pbe": -0.32919992841288526,
    "rpbe": -0.3292353178647415,
    "revpbe_x": -0.2996857843633558,
    "revpbe": -0.32922501145278177,
    "pbe0": -0.2542847530820204,
    "tpss": -0.3304997327786815,
    "scan": -0.3456556414267311,
    "r2scan": -0.34578417100912084,
    "m06_l": -0.34384232775332546,
    "b97_x": -0.2416240522912814,
    "b97": -0.26873675328687713,
    "wb97x_v": -0.21147610878759998,
    "b97m_v": -0.3513445243618255,
    "wb97m_v": -0.21387021859257546,
    "coach": -0.19895160282835476,
    "gas22": -0.21490279331136147,
    "gas22_syfes": -0.21490317517301602,
    "fs26": -0.21204664619425995,
}

_ALIASES = {alias: name for name, entry in _REGISTRY.items() for alias in entry.aliases}


def list_functionals() -> list[str]:
    """Names of the registered functionals."""
    return list(_REGISTRY)


def _entry(name: str) -> tuple[str, _Entry]:
    key = name.strip().lower()
    key = _ALIASES.get(key, key)
    if key not in _REGISTRY:
        near = nearest(key, [*_REGISTRY, *_ALIASES])
        hint = f'; did you mean "{near}"?' if near else ""
        raise InputError(f'functional "{name}" is not registered{hint}; known are {", ".join(_REGISTRY)}')
    return key, _REGISTRY[key]


def get_functional(name: str) -> Functional:
    """A registered functional by name (case does not matter).

    Raises:
        InputError: when there is none of that name; the message lists them.
    """
    key, entry = _entry(name)
    return Functional(
        name=key,
        channels={kind: Channel(Expression.parse(text), values) for kind, (text, values) in entry.channels.items()},
        citation=entry.citation,
        libxc=entry.libxc,
        **entry.frame.fields(),
    )


def reference_point(name: str) -> ReferencePoint:
    """The point and the independent value at which a registered functional is checked."""
    return ReferencePoint(REFERENCE_RHO, REFERENCE_SIGMA, REFERENCE_TAU, _REFERENCE_EXC[_entry(name)[0]], 1e-13)
