"""COACH (10.48550/arXiv.2603.23466): 73 terms, Legendre polynomials of beta or w times those or powers of u.

Its sum over triples of atoms (D4's three-body term, s9 = 1, a1 = 0.215, a2 = 5.8) depends on positions alone and is no
part of the functional here.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb

from .published import Formula, horner

__all__ = ["COACH"]

_Table = Mapping[int, Mapping[int, float]]
"""Coefficients by the degrees in beta or w, then in u."""

_X: _Table = {
    0: {0: 0.7080650005052257, 2: 5.973423554868972, 3: -17.33477136180401, 5: 25.0, 7: -13.303231846931668},
    1: {0: -0.20577489944575586},
    2: {0: -0.10779574940300828, 2: 5.491317004106042, 3: -6.658515516611359},
    3: {1: 1.839797240566924, 2: -7.509521330876057, 3: 18.654513589197446, 4: -12.139029019506687},
    4: {0: 0.20195969717314624},
    5: {0: 0.2600717991008879, 2: -3.463397249605392, 3: 3.75514691066743},
    6: {0: 0.2402820743898442, 1: -0.8660852096125707},
    7: {0: 0.10480172805257999, 1: -0.5657722952687481},
    8: {1: -0.43586821950068677, 4: 0.9891478454228174},
    9: {0: -0.09350557083826855, 1: 0.2557276229171211, 2: -0.7171538898115716},
    10: {0: -0.034948386270515386},
    11: {0: -0.03464312342837082, 1: 0.20050993281346377, 2: -0.3773473250434576},
}
_CSS: _Table = {
    0: {0: -0.3039405655250467, 1: -1.2900096158738523, 4: 17.715459474491766, 7: -13.929080028872658},
    1: {0: -1.8711635396581212, 1: -10.122833804966692, 2: 22.05988705553151},
    2: {0: -1.8278556540465263, 1: 6.994998018578696, 4: -8.349141007699943},
    3: {1: -2.226676731002602, 2: -2.7311170048590196},
    5: {0: -1.4633617968363573},
    7: {0: -0.8348281349925031},
    8: {0: 0.4818154118907339, 1: -3.3444231176840256, 2: 6.986341349369924, 3: 14.980984577715752, 4: -25.0},
    11: {3: 1.5676639733349753},
}
_COS: _Table = {
    0: {0: 2.0330833570991405, 5: -3.071472897617402, 7: -1.9671740896453935},
    1: {0: -3.124170248419258, 1: 7.594716450411337},
    2: {4: 4.618674090063557},
    3: {7: 2.572431599509026},
    4: {4: -1.120055362237976, 7: -2.5762282779751264},
    5: {1: -1.4299548850828665, 4: -20.76844377770899, 5: 25.0, 6: -22.533887529213906, 7: 9.590467389102345},
    6: {4: 4.4188486804036184},
    8: {4: 4.293474773028771},
    9: {2: -1.5286479621022213, 7: 2.3555422987546892},
    10: {0: 0.7896380110221484, 3: -1.9225815901087469},
    11: {1: 2.229310613916473, 6: -1.5811003317333285, 7: 1.1456216634190832},
}


def _legendre(name: str, argument: str, degree: int) -> str:
    """Assigns name1, name2, ... up to a degree, Legendre polynomials of the argument with exact coefficients."""
    lines = [f"{name}1 = {argument}; {name} = {name}1**2"]
    for n in range(2, degree + 1):
        powers = [(-1) ** k * comb(n, k) * comb(2 * (n - k), n) / 2**n for k in range(n // 2, -1, -1)]
        odd = f"{name}1*" if n % 2 else ""
        lines.append(f"{name}{n} = {odd}({horner([repr(c) for c in powers], name)})")
    return "; ".join(lines)


def _formula(table: _Table, argument: str, second: str, g: float, scale: str = "") -> Formula:
    """Assignments of v1, v2, ..., then the sum of c_I_J times pI, P_I of the argument, times vJ."""

    def product(i: int, row: Mapping[int, float]) -> str:
        inner = " + ".join(f"c{i}_{j}" + (f"*v{j}" if j else "") for j in row)
        return f"p{i}*({inner})" if i else inner

    total = " + ".join(product(i, row) for i, row in table.items())
    values = {f"c{i}_{j}": c for i, row in table.items() for j, c in row.items()}
    return f"{second}; {_legendre('p', argument, max(table))}; {scale}({total})", {**values, "g": g}


_POWERS = "; ".join(["v1 = u(x2, g)", *(f"v{j} = v1**{j}" for j in range(2, 8))])

COACH: Mapping[str, Formula] = {
    "x": _formula(_X, "2*beta - 1", _POWERS, 0.004),
    "css": _formula(_CSS, "2*beta - 1", _POWERS, 0.01, "2*beta*"),
    "cos": _formula(_COS, "w", _legendre("v", "u(x2, g)", 7), 0.006),
}
