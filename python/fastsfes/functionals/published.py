"""Formulas of published functionals that are more than a line, with their parameters, in fastsfes' own syntax.

Exchange and same-spin correlation are factors of their channels. Correlation that is not a factor times the local one
is a formula of the energy per volume, channel "one". Constants have the digits of libxc, which are those of PBE where
the articles round them; sources stand in the registry.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

__all__ = [
    "B3LYP", "CAM_B3LYP", "HJS_PBE_X", "LYP_C", "M06_L", "R2SCAN_C", "R2SCAN_X", "SCAN_C", "SCAN_X", "TPSS_C",
    "TPSS_X", "VWN_C", "VWN_RPA_C", "Formula", "horner",
]  # fmt: skip

Formula = tuple[str, Mapping[str, float]]
"""Text and the values of its parameters."""

_PBE_C = {"beta_c": 0.06672455060314922, "gamma": 0.031090690869654895}
_TAU_UNIFORM = "4.5577998723455971"  # (3/10)(6 pi^2)^(2/3)


def _numbered(name: str, values: Sequence[float]) -> dict[str, float]:
    """Parameters name0, name1, ..."""
    return {f"{name}{k}": value for k, value in enumerate(values)}


def horner(coefficients: Sequence[str], variable: str) -> str:
    """A polynomial; the coefficients rise with the power."""
    text = coefficients[-1]
    for c in coefficients[-2::-1]:
        text = f"{c} + {variable}*({text})"
    return text


# -- TPSS (10.1103/PhysRevLett.91.146401) ------------------------------------------------------------------------------

TPSS_X: Formula = (
    "z = 5/3*s2*t; q = 9/20*(alpha - 1)/sqrt(1 + b*alpha*(alpha - 1)) + 2/3*s2;"
    "y = (10/81 + c*z**2/(1 + z**2)**2)*s2 + 146/2025*q**2 - 73/405*q*sqrt(0.5*((3/5*z)**2 + s2**2))"
    " + (10/81)**2/kappa*s2**2 + 20/81*sqrt(e)*(3/5*z)**2 + e*mu*s2**3;"
    "1 + kappa - kappa/(1 + y/((1 + sqrt(e)*s2)**2*kappa))",
    {"b": 0.4, "c": 1.59096, "e": 1.537, "kappa": 0.804, "mu": 0.21951},
)


def _pbe_c_alone(spin: str) -> str:
    """Assigns p_SPIN, PBE correlation of one spin alone per electron, with phi^3 = 1/2 and phi^2 = 2^(-2/3)."""
    rho, sigma = f"rho_{spin}", f"sigma_{spin}{spin}"
    return (
        f"l_{spin} = pw92_ferro({rho})/{rho}; v_{spin} = beta_c/gamma*0.10074949712602935*{sigma}/{rho}**(7/3);"
        f"y_{spin} = v_{spin}/expm1(-2*l_{spin}/gamma);"
        f"p_{spin} = l_{spin} + 0.5*gamma*log1p(v_{spin}*(1 + y_{spin})/(1 + y_{spin} + y_{spin}**2))"
    )


# xi is |grad zeta|/(2 (3 pi^2 n)^(1/3)); v is tau_W/tau; (3 pi^2)^(2/3) = 9.57...
TPSS_C: Formula = (
    f"p = pbe_c_spin(rho_a, rho_b, sigma, beta_c, gamma)/rho; {_pbe_c_alone('a')}; {_pbe_c_alone('b')};"
    "v = min(sigma/(8*rho*tau), 1); z2 = zeta**2;"
    "xi2 = (rho_b**2*sigma_aa - 2*rho_a*rho_b*sigma_ab + rho_a**2*sigma_bb)/(9.5707800006273048*rho**(14/3));"
    "k = (c0 + z2*(c1 + z2*(c2 + z2*c3)))/(1 + 0.5*xi2*((2*rho_a/rho)**(-4/3) + (2*rho_b/rho)**(-4/3)))**4;"
    "r = (1 + k*v**2)*p - (1 + k)*v**2*(rho_a*max(p_a, p) + rho_b*max(p_b, p))/rho;"
    "rho*r*(1 + d*r*v**3)",
    {**_PBE_C, "d": 2.8, **_numbered("c", (0.53, 0.87, 0.5, 2.26))},
)

# -- SCAN (10.1103/PhysRevLett.115.036402) and r2SCAN (10.1021/acs.jpclett.0c02405) ------------------------------------

# Beyond |1 - a| = 1e-3 the exponentials are 0 in double precision; without a bound their slopes were 0/0 at a = 1.
_SWITCH = "v = 1 - {a}; f = select(v, exp(c1*(1 - 1/max(v, 1e-3))), -d*exp(c2/min(v, -1e-3)))"
_FACTOR = "(1 + k1 - k1**2/(k1 + y) + f*(h0 - 1 - k1 + k1**2/(k1 + y)))*(1 - exp(-4.9479/sqrt(s)))"
_SWITCHES_X = {"c1": 0.667, "c2": 0.8, "d": 1.24, "k1": 0.065, "h0": 1.174}

SCAN_X: Formula = (
    f"{_SWITCH.format(a='alpha')};"
    "b2 = sqrt(5913/405000); b1 = 511/13500/(2*b2); b4 = (10/81)**2/k1 - 1606/18225 - b1**2;"
    "y = 10/81*s2 + b4*s2**2*exp(-81/10*b4*s2) + (b1*s2 + b2*v*exp(-0.5*v**2))**2;"
    f"{_FACTOR}",
    _SWITCHES_X,
)

_POLYNOMIAL_X = (
    1, -0.667, -0.4445555, -0.663086601049, 1.451297044490, -0.887998041597, 0.234528941479, -0.023185843322,
)  # fmt: skip
_POLYNOMIAL_C = (
    1, -0.64, -0.4352, -1.535685604549, 3.061560252175, -1.915710236206, 0.516884468372, -0.051848879792,
)  # fmt: skip


def _smooth_switch(coefficients: Sequence[float]) -> str:
    """Assigns f of a, a polynomial between 0 and 2.5."""
    return (
        "m = min(a, 0); h = max(a, 2.5); f = select(-a, exp(-c1*m/(1 - m)),"
        f"select(2.5 - a, {horner([repr(c) for c in coefficients], 'a')}, -d*exp(c2/(1 - h))))"
    )


def _slope_at_one(coefficients: Sequence[float]) -> str:
    return repr(sum(k * c for k, c in enumerate(coefficients)))


R2SCAN_X: Formula = (
    f"a = alpha/(1 + 5/3*eta*s2); {_smooth_switch(_POLYNOMIAL_X)};"
    f"y = (10/81 + (20/27 + 5/3*eta)*(h0 - 1)*({_slope_at_one(_POLYNOMIAL_X)})*exp(-s2**2/dp2**4))*s2; {_FACTOR}",
    {**_SWITCHES_X, "eta": 0.001, "dp2": 0.361},
)

_SPIN_SCALING = (
    "phi = 0.5*(cbrt(2*rho_a/rho)**2 + cbrt(2*rho_b/rho)**2); gp = gamma*phi**3; q = sqrt(rs);"
    "p2 = 0.026121172985233605*sigma/rho**(8/3)"  # s^2 of the whole density: 1/(4 (3 pi^2)^(2/3))
)
# of the uniform gas with the energy e1 per electron: w1 and y = A t^2, t^2 = pi sigma/(16 (3 pi^2)^(1/3) phi^2 n^(7/3))
_GRADIENT = (
    "w1 = expm1(-e1/gp);"
    "y = beta_c*(1 + 0.1*rs)/(1 + 0.1778*rs)*0.063468206097703704*sigma/(phi**2*rho**2*cbrt(rho)*gamma*w1)"
)
# of a single orbital: 2^(1/3) - 1 over 2^(4/3) - 2 is 1/2; 4 chi = 0.512...
_SINGLE_ORBITAL = (
    "e0 = -b1/(1 + b2*q + b3*rs);"
    "g0 = (1 - 0.5*2.363*((2*rho_a/rho)**(4/3) + (2*rho_b/rho)**(4/3) - 2))*(1 - zeta**12);"
    "ec0 = (e0 + b1*log1p(-expm1(-e0/b1)*expm1(-0.25*log1p(0.51210341050503261*p2))))*g0"
)
_SCAN_C = {**_PBE_C, "b1": 0.0285764, "b2": 0.0889, "b3": 0.125541, "c1": 0.64, "c2": 1.5, "d": 0.7}
_UNIFORM = f"{_TAU_UNIFORM}*(rho_a**(5/3) + rho_b**(5/3))"

SCAN_C: Formula = (
    f"e1 = pw92(rho_a, rho_b)/rho; {_SPIN_SCALING}; {_GRADIENT}; {_SINGLE_ORBITAL};"
    "ec1 = e1 + gp*log1p(-w1*expm1(-0.25*log1p(4*y)));"
    f"a = (tau - sigma/(8*rho))/({_UNIFORM}); {_SWITCH.format(a='a')};"
    "rho*(ec1 + f*(ec0 - ec1))",
    _SCAN_C,
)


def _pw92_slope(k: int, a: str, a1: str, b1: str, b2: str, b3: str, b4: str) -> str:
    """Assigns G of PW92 (10.1103/PhysRevB.45.13244, Eq. 10) and r_s times its slope, gK and dK."""
    return (
        f"q{k} = 2*{a}*q*({b1} + q*({b2} + q*({b3} + q*{b4}))); l{k} = log1p(1/q{k}); g{k} = -2*{a}*(1 + {a1}*rs)*l{k};"
        f"d{k} = 2*{a}*((1 + {a1}*rs)*{a}*q*({b1} + q*(2*{b2} + q*(3*{b3} + q*4*{b4})))/(q{k}*(1 + q{k}))"
        f" - {a1}*rs*l{k})"
    )


_PW92_SLOPES = ";".join(
    (
        _pw92_slope(1, "0.0310907", "0.21370", "7.5957", "3.5876", "1.6382", "0.49294"),
        _pw92_slope(2, "0.01554535", "0.20548", "14.1189", "6.1977", "3.3662", "0.62517"),
        _pw92_slope(3, "0.0168869", "0.11125", "10.357", "3.6231", "0.88026", "0.49671"),
    )
)


def _interpolated(name: str) -> str:
    """Eq. 8 of PW92 for G or its slope."""
    return f"{name}1 + fz*(z4*({name}2 - {name}1) - (1 - z4)*{name}3/1.7099209341613657)"


R2SCAN_C: Formula = (
    f"{_SPIN_SCALING}; {_PW92_SLOPES}; z4 = zeta**4;"
    "fz = ((2*rho_a/rho)**(4/3) + (2*rho_b/rho)**(4/3) - 2)/0.5198420997897464;"
    f"e1 = {_interpolated('g')}; de1 = {_interpolated('d')};"
    f"{_GRADIENT}; {_SINGLE_ORBITAL}; de0 = g0*b1*(0.5*b2*q + b3*rs)/(1 + b2*q + b3*rs)**2;"
    f"dy = ({_slope_at_one(_POLYNOMIAL_C)})/27*(20*(de0 - de1) - 45*eta*(g0*e0 - e1))*p2*exp(-p2**2/dp2**4)"
    "/(0.5*((2*rho_a/rho)**(5/3) + (2*rho_b/rho)**(5/3))*gp*w1);"
    "ec1 = e1 + gp*log1p(-w1*expm1(-0.25*log1p(4*(y - dy))));"
    f"a = (tau - sigma/(8*rho))/({_UNIFORM} + eta*sigma/(8*rho)); {_smooth_switch(_POLYNOMIAL_C)};"
    "rho*(ec1 + f*(ec0 - ec1))",
    {**_SCAN_C, "eta": 0.001, "dp2": 0.361},
)

# -- M06-L (10.1063/1.2370993) -----------------------------------------------------------------------------------------


def _vsxc(scale: str, x2: str) -> str:
    """The working function of VSXC of x2 and z, with y = 1 + scale (x2 + z)."""
    y = f"(1 + {scale}*({x2} + z))"
    return f"d0/{y} + (d1*{x2} + d2*z)/{y}**2 + (d3*{x2}**2 + d4*{x2}*z)/{y}**3"


# z of one spin is 2 (tau/rho^(5/3) - (3/10)(6 pi^2)^(2/3)); alpha t is 1 - tau_W/tau
_Z = "z = 9.1155997446911942*(1/t - 1)"
M06_L: Mapping[str, Formula] = {
    "x": (
        f"{_Z}; pbe_x(x2, kappa, mu)*({horner([f'a{k}' for k in range(12)], 'w')}) + {_vsxc('0.00186726', 'x2')}",
        {
            "kappa": 0.804,
            "mu": 0.2195149727645171,
            **_numbered(
                "a",
                (
                    0.3987756, 0.2548219, 0.3923994, -2.103655, -6.302147, 10.97615,
                    30.97273, -23.18489, -56.73480, 21.60364, 34.21814, -9.049762,
                ),
            ),
            **_numbered("d", (0.6012244, 0.004748822, -0.008635108, -0.000009308062, 0.00004482811)),
        },
    ),
    "css": (
        f"{_Z}; v = u(x2, 0.06);"
        f"alpha*t*({horner([f'c{k}' for k in range(5)], 'v')} + {_vsxc('0.00515088', 'x2')})",
        {
            **_numbered("c", (0.5349466, 0.5396620, -31.61217, 51.49592, -29.19613)),
            **_numbered("d", (0.4650534, 0.1617589, 0.1833657, 4.692100e-04, -4.990573e-03)),
        },
    ),
    "one": (
        "r2 = sigma_aa/rho_a**(8/3) + sigma_bb/rho_b**(8/3); v = u(r2, 0.0031);"
        "z = 2*(tau_a/rho_a**(5/3) + tau_b/rho_b**(5/3)) - 18.231199489382388;"
        "(pw92(rho_a, rho_b) - pw92_ferro(rho_a) - pw92_ferro(rho_b))"
        f"*({horner([f'c{k}' for k in range(5)], 'v')} + {_vsxc('0.00304966', 'r2')})",
        {
            **_numbered("c", (0.6042374, 177.6783, -251.3252, 76.35173, -12.55699)),
            **_numbered("d", (0.3957626, -0.5614546, 0.01403963, 9.831442e-04, -3.577176e-03)),
        },
    ),
}  # fmt: skip

# -- VWN (10.1139/p80-159): V of the electron gas, and of the random phase approximation -------------------------------

_SPIN_SHARE = "fz = ((2*rho_a/rho)**(4/3) + (2*rho_b/rho)**(4/3) - 2)/0.5198420997897464"


def _vwn_gas(name: str, a: float, b: float, c: float, x0: float) -> str:
    """Assigns an energy per electron, Eq. 4.4; q is the root of r_s."""
    root, at_x0 = math.sqrt(4 * c - b * b), x0 * x0 + b * x0 + c
    share = b * x0 / at_x0
    angle = (2 * b - share * 2 * (2 * x0 + b)) / root
    return (
        f"m_{name} = rs + {b!r}*q + {c!r};"
        f"{name} = ({a!r})*(log(rs/m_{name}) + ({angle!r})*atan({root!r}/(2*q + {b!r}))"
        f" - ({share!r})*log((q + {-x0!r})**2/m_{name}))"
    )


_VWN = ";".join(
    (
        "q = sqrt(rs)",
        _vwn_gas("para", 0.0310907, 3.72744, 12.9352, -0.10498),
        _vwn_gas("ferro", 0.01554535, 7.06042, 18.0578, -0.32500),
        _vwn_gas("stiff", -1 / (6 * math.pi**2), 1.13107, 13.0045, -0.0047584),
        _SPIN_SHARE,
        "vwn = rho*(para + stiff*fz*(1 - zeta**4)/1.7099209341613657 + (ferro - para)*fz*zeta**4)",
    )
)
_VWN_RPA = ";".join(
    (
        "q = sqrt(rs)",
        _vwn_gas("para", 0.0310907, 13.0720, 42.7198, -0.409286),
        _vwn_gas("ferro", 0.01554535, 20.1231, 101.578, -0.743294),
        _SPIN_SHARE,
        "vwn = rho*(para*(1 - fz) + ferro*fz)",
    )
)
VWN_C: Formula = (f"{_VWN}; vwn", {})
VWN_RPA_C: Formula = (f"{_VWN_RPA}; vwn", {})

# -- LYP (10.1103/PhysRevB.37.785) in the form without the Laplacian (10.1016/0009-2614(89)87234-3) --------------------

# C_F/2 = (3/20)(3 pi^2)^(2/3)
_LYP = (
    "r = 1/cbrt(rho); v = 1/(1 + d*r); k = (c + d*v)*r; m = 4*rho_a*rho_b/rho**2; f_a = 2*rho_a/rho; f_b = 2*rho_b/rho;"
    "g_a = sigma_aa/rho**(8/3); g_b = sigma_bb/rho**(8/3); g = sigma/rho**(8/3);"
    "lyp = -a*rho*v*(m + b*exp(-c*r)*(g*(m*(47 - 7*k)/72 - 2/3) + 1.4356170000940956*m*(f_a**(8/3) + f_b**(8/3))"
    " - m*(5/2 - k/18)*(g_a + g_b)/4 - m*(k - 11)*(g_a*f_a + g_b*f_b)/72 + 2/3*(g_a + g_b)"
    " - (f_a**2*g_b + f_b**2*g_a)/4))"
)
_LYP_VALUES = {"a": 0.04918, "b": 0.132, "c": 0.2533, "d": 0.349}
LYP_C: Formula = (f"{_LYP}; lyp", _LYP_VALUES)

# -- B3LYP (10.1021/j100096a001) and CAM-B3LYP (10.1016/j.cplett.2004.06.011) ------------------------------------------

_B88 = {"beta_x": 0.0042}
B3LYP: Mapping[str, Formula] = {
    "x": ("a_l + a_x*b88_x(x2, beta_x)", {"a_l": 0.08, "a_x": 0.72, **_B88}),
    "one": (f"{_LYP}; {_VWN_RPA}; (1 - a_c)*vwn + a_c*lyp", {"a_c": 0.81, **_LYP_VALUES}),
}

# The prefactor of a range-separated frame is that of the uniform gas, erf_attenuation(omega/k_F); these want others.
_ATTENUATED = "k = omega/(3.897777089720754*cbrt(rho))"

# Becke's exchange with the attenuation of the uniform gas of k_F/sqrt(F) (10.1063/1.1383587)
CAM_B3LYP: Mapping[str, Formula] = {
    "x": (
        f"{_ATTENUATED}; e = b88_x(x2, beta_x);"
        "e*(1 - long + (long - short)*erf_attenuation(k*sqrt(e)))/erf_attenuation(k)",
        {"omega": 0.33, "long": 0.65, "short": 0.19, **_B88},
    ),
    "one": (f"{_LYP}; {_VWN}; (1 - a_c)*vwn + a_c*lyp", {"a_c": 0.81, **_LYP_VALUES}),
}

# -- HSE's screened hybrid with the exchange hole of Henderson, Janesko, Scuseria (10.1063/1.2921797) ------------------

_HOLE_ABOVE = (0.0159941, 0.0852995, -0.160368, 0.152645, -0.0971263, 0.0422061)
_HOLE_BELOW = (5.33319, -12.4780, 11.0988, -5.11013, 1.71468, -0.610380, 0.307555, -0.0770547, 0.0334840)
_HOLE = (
    f"z = max(s2**2*({horner([repr(c) for c in _HOLE_ABOVE], 's')})"
    f"/({horner([repr(c) for c in (1.0, *_HOLE_BELOW)], 's')}), 1e-10);"
    "y = 0.757211 + z; l = 0.609650 + z;"
    "f = 1 + s2/(27*0.118649*(1 + s2/4)) + z/(2*0.118649);"
    "e = 2/5*0.118649*f*l + 4/15*0.106364*l**2 - 6/5*0.757211*l**3"
    " - l**(7/2)*(4/5*1.7724538509055161 + 12/5*(sqrt(z) - sqrt(y)))"
)


def _of_hole(name: str, k: str) -> str:
    """Assigns the enhancement factor of what the hole gives at short range, k = omega/k_F; 0: at all."""
    return (
        f"v_{name} = {k}/sqrt(l + {k}**2); p_{name} = sqrt(z + {k}**2); r_{name} = sqrt(y + {k}**2);"
        f"q_{name} = {k} + sqrt(l + {k}**2);"
        f"{name} = 0.757211 + 4/9*0.106364/l*(1 - v_{name}) + 4/9*0.118649*f/l**2*(1 - 3/2*v_{name} + 1/2*v_{name}**3)"
        f" - 8/9*e/l**3*(1 - 15/8*v_{name} + 5/4*v_{name}**3 - 3/8*v_{name}**5)"
        f" + 2*{k}*(p_{name} - r_{name}) + 2*z*log(({k} + p_{name})/q_{name}) - 2*y*log(({k} + r_{name})/q_{name})"
    )


HJS_PBE_X: Formula = (
    f"{_ATTENUATED}; {_HOLE}; {_of_hole('h0', '0')}; {_of_hole('h', 'k')}; (h0 - short*h)/erf_attenuation(k)",
    {"omega": 0.11, "short": 0.25},
)
