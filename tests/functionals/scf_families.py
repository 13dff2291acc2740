"""One functional of every family that PySCF distinguishes, ours and libxc's, and small calculations with them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

from pyscf import dft, gto, scf

import fastsfes as fs

scf.hf.MUTE_CHKFILE = True  # no temporary file per calculation

WATER = "O 0 0 0; H 0 0.757 0.587; H 0 -0.757 0.587"
NH2 = "N 0 0 0; H 0 0.8 0.63; H 0 -0.8 0.63"

#: Family -> libxc's name of the functional. The registered ones go by their own name.
CODES = {
    "lda": "lda_x,lda_c_pw_mod",
    "pbe": "pbe",
    "pbe0": "pbe0",
    "b97": "hyb_gga_xc_b97",
    "b97m": "mgga_xc_b97m_v",
    "b97m_v": "mgga_xc_b97m_v",
    "wb97x_v": "hyb_gga_xc_wb97x_v",
    "wb97m_v": "wb97m_v",
    "gas22": "gas22",
}


def channel(text: str, **parameters: float) -> fs.Channel:
    return fs.Channel(fs.Expression.parse(text), parameters)


@lru_cache
def functional(name: str) -> fs.Functional:
    """A registered functional, or B97M-V (10.1063/1.4907719; b97m: without VV10) or wB97X-V (10.1039/c3cp54374a)."""
    if name == "b97m":
        return replace(functional("b97m_v"), name="b97m", nlc=None)
    vv10 = fs.VV10(6.0, 0.01)
    if name == "b97m_v":
        x = channel("1 + 1.308*u(x2, g) + 1.901*u(x2, g)**2 + 0.416*w + 3.07*w*u(x2, g)", g=0.004)
        css = channel(
            "1 - 1.855*u(x2, g)**2 - 5.668*w - 20.497*w**3*u(x2, g)**2 - 20.364*w**4*u(x2, g)**2",
            g=0.2,
        )
        cos = channel(
            "1 + 1.573*u(x2, g) - 6.298*u(x2, g)**3 + 2.535*w - 6.427*w**3*u(x2, g)**2",
            g=0.006,
        )
        return fs.Functional(name, {"x": x, "css": css, "cos": cos}, nlc=vv10)
    if name == "wb97x_v":
        x = channel("0.833 + 0.603*u(x2, g) + 1.194*u(x2, g)**2", g=0.004)
        css, cos = channel("0.556 - 0.257*u(x2, g)", g=0.2), channel("1.219 - 1.85*u(x2, g)", g=0.006)
        return fs.Functional(
            name, {"x": x, "css": css, "cos": cos}, fs.Hybrid(0.3, 0.167, 1.0), vv10, correlation="pw92"
        )
    return fs.get_functional(name)


def molecule(spin: int = 0, basis: str = "6-31g") -> Any:
    return gto.M(atom=NH2 if spin else WATER, basis=basis, spin=spin, verbose=0)


def calculation(name: str, ours: bool, kind: str = "RKS", mol: Any = None) -> Any:
    """An RKS, UKS or ROKS object of water or NH2 on coarse grids, not yet run."""
    mf = getattr(dft, kind)(molecule(kind != "RKS") if mol is None else mol)
    mf.grids.level = mf.nlcgrids.level = 0
    mf.conv_tol = 1e-11
    if ours:
        return fs.pyscf.attach(mf, functional(name))
    mf.xc = CODES[name]
    if functional(name).nlc is None:
        mf.nlc = 0
    return mf
