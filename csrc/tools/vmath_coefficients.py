"""Derive the polynomial coefficients of csrc/core/base/vmath.h: weighted minimax fits by the Remez exchange.

Every fit is made in 60-digit arithmetic and its coefficients are then rounded to double: the leading terms of
every function stand outside its polynomial, so that this rounding is far below half an ulp of the result.
Run: ``python csrc/tools/vmath_coefficients.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import mpmath as mp

mp.mp.dps = 60
Real = Callable[[mp.mpf], mp.mpf]


def remez(f: Real, weight: Real, lo: float, hi: float, powers: list[int]) -> tuple[list[mp.mpf], mp.mpf]:
    """Coefficients c minimising max |weight(x) (f(x) - sum_j c_j x^powers[j])| on [lo, hi], and that maximum."""
    count = len(powers)
    lo_, hi_ = mp.mpf(lo), mp.mpf(hi)
    points = [(lo_ + hi_) / 2 - (hi_ - lo_) / 2 * mp.cos(mp.pi * i / count) for i in range(count + 1)]
    dense = [(lo_ + hi_) / 2 - (hi_ - lo_) / 2 * mp.cos(mp.pi * i / (24 * count)) for i in range(24 * count + 1)]
    values = [(f(x), weight(x)) for x in dense]
    coefficients: list[mp.mpf] = []
    worst = mp.mpf(0)
    for _ in range(12):
        matrix = mp.matrix(count + 1, count + 1)
        right = mp.matrix(count + 1, 1)
        for i, x in enumerate(points):
            for j, power in enumerate(powers):
                matrix[i, j] = x**power
            matrix[i, count] = (-1) ** i / weight(x)
            right[i] = f(x)
        solution = mp.lu_solve(matrix, right)
        coefficients = [solution[j] for j in range(count)]
        error = [
            w * (fx - sum(c * x**p for c, p in zip(coefficients, powers, strict=True)))
            for x, (fx, w) in zip(dense, values, strict=True)
        ]
        worst = max(abs(e) for e in error)
        # One extremum per run of equal sign; the exchange wants exactly count + 1 of them.
        extrema: list[int] = []
        for i, e in enumerate(error):
            if extrema and (error[extrema[-1]] > 0) == (e > 0):
                if abs(e) > abs(error[extrema[-1]]):
                    extrema[-1] = i
            else:
                extrema.append(i)
        while len(extrema) > count + 1:
            del extrema[0 if abs(error[extrema[0]]) < abs(error[extrema[-1]]) else -1]
        if len(extrema) < count + 1:
            break
        points = [dense[i] for i in extrema]
        if worst < abs(solution[count]) * mp.mpf("1.02"):
            break
    return coefficients, worst


def rounded(f: Real, weight: Real, lo: float, hi: float, degree: int) -> tuple[list[float], mp.mpf]:
    """Double coefficients of a polynomial of the given degree and its weighted error on [lo, hi]."""
    coefficients, _ = remez(f, weight, lo, hi, list(range(degree + 1)))
    doubles = [float(c) for c in coefficients]
    grid = [mp.mpf(lo) + (mp.mpf(hi) - mp.mpf(lo)) * i / 2000 for i in range(1, 2001)]
    worst = max(abs(weight(x) * (f(x) - sum(c * x**k for k, c in enumerate(doubles)))) for x in grid)
    return doubles, worst


def quotient(f: Real, series: Real) -> Real:
    """f where it is well conditioned, its Taylor polynomial near zero."""
    return lambda x: series(x) if abs(x) < mp.mpf("1e-12") else f(x)


def fits() -> dict[str, tuple[Real, Real, float, float, int]]:
    """Name -> (function, weight, interval, degree); the weight turns the error into one of the final result."""
    one = mp.mpf(1)

    def atanh_tail(z: mp.mpf) -> mp.mpf:
        s = mp.sqrt(z)
        return (mp.log((1 + s) / (1 - s)) / s - 2) / z

    def atanh_tail5(z: mp.mpf) -> mp.mpf:
        s = mp.sqrt(z)
        return (mp.atanh(s) / s - 1 - z / 3) / z**2

    def erf_small(z: mp.mpf) -> mp.mpf:
        s = mp.sqrt(z)
        return mp.erf(s) / s - 1

    def of_square(f: Real, count: int) -> Real:
        """f(sqrt(z)) less the first `count` terms of its power series, divided by the power of the next."""
        terms = mp.taylor(f, 0, 24)
        known = [k for k, c in enumerate(terms) if abs(c) > mp.mpf("1e-40")]
        first = known[count]

        def tail(z: mp.mpf) -> mp.mpf:
            s = mp.sqrt(z)
            return (f(s) - sum(terms[k] * s**k for k in known[:count])) / s**first

        return lambda z: (
            tail(z) if z > mp.mpf("1e-8") else sum(terms[k] * mp.sqrt(z) ** (k - first) for k in known[count:])
        )

    two_over_root_pi = 2 / mp.sqrt(mp.pi)
    return {
        "exp": (
            quotient(lambda r: (mp.exp(r) - 1 - r) / r**2, lambda r: one / 2 + r / 6 + r * r / 24),
            lambda r: r * r / mp.exp(r) + mp.mpf("1e-9"),
            -0.34658,
            0.34658,
            9,
        ),
        "log": (
            quotient(atanh_tail, lambda z: 2 * one / 3 + 2 * z / 5),
            lambda z: z / 2 + mp.mpf("1e-9"),
            0.0,
            0.029438,
            6,
        ),
        "log_dd": (
            quotient(atanh_tail5, lambda z: one / 5 + z / 7),
            lambda z: z * z + mp.mpf("1e-12"),
            0.0,
            0.029438,
            7,
        ),
        "cbrt": (lambda h: 1 / mp.cbrt(1 - h), lambda h: mp.cbrt(1 - h), -0.09687, 0.10552, 3),
        "erf_small": (
            quotient(erf_small, lambda z: two_over_root_pi * (1 - z / 3) - 1),
            lambda z: one,
            0.0,
            1.0,
            11,
        ),
        "erf_large": (
            lambda t: mp.exp((t + 1) ** 2) * mp.erfc(t + 1),
            lambda t: mp.exp(-((t + 1) ** 2)),
            0.0,
            4.95,
            20,
        ),
        # up to pi/4 and a little more
        "sin": (of_square(mp.sin, 1), lambda z: z + mp.mpf("1e-9"), 0.0, 0.618, 5),
        "cos": (of_square(mp.cos, 2), lambda z: z * z + mp.mpf("1e-9"), 0.0, 0.618, 5),
        "sinh_small": (of_square(mp.sinh, 1), lambda z: z + mp.mpf("1e-9"), 0.0, 1.0, 6),
        "atan": (of_square(mp.atan, 1), lambda z: z + mp.mpf("1e-9"), 0.0, 1.0, 20),
    }


def two_over_pi() -> list[list[float]]:
    """2^(32 j) 2/pi less its multiples of 4, j = 0 ... 30, as sums of four doubles; j = 0 in full."""
    rows = []
    with mp.workdps(400):
        for j in range(31):
            rest = mp.mpf(2) ** (32 * j) * 2 / mp.pi
            rest -= 4 * mp.floor(rest / 4)
            row = []
            for _ in range(4):
                row.append(float(rest))
                rest -= mp.mpf(row[-1])
            rows.append(row)
    return rows


def main() -> None:
    """Print every table as C++ hexadecimal constants with the fit's largest weighted error."""
    for name, (f, weight, lo, hi, degree) in fits().items():
        coefficients, error = rounded(f, weight, lo, hi, degree)
        print(f"// {name}: degree {degree} on [{lo}, {hi}], error {mp.nstr(error, 3)}")
        print("\n".join(f"    {c.hex()}," for c in coefficients))
    print("// 2/pi")
    for row in two_over_pi():
        print("    {" + ", ".join(c.hex() for c in row) + "},")


if __name__ == "__main__":
    main()
