"""``fastsfes-bench select``: subsets scored per second and core, and time to the best known, beside other programs."""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastsfes import _core
from fastsfes.common.errors import FastsfesError, InputError
from fastsfes.datasets.dataset import Dataset
from fastsfes.fitting import FitSettings
from fastsfes.run.select import select
from fastsfes.selection import Columns, Library, Rules, Selector, Settings, parse_terms

from .report import figure, row_text
from .timing import once

SUMMARY = "subsets of terms scored per second and core; time to the best known, beside forward selection and peers"

Array = npt.NDArray[np.float64]

#: 129 terms: u^i w^j of exchange and both correlations, the constant of each counted once.
LIBRARY = ("x = u(x2, 0.004)^0:5 * w^0:6", "css = u(x2, 0.2)^0:5 * w^0:6", "cos = u(x2, 0.006)^0:4 * w^0:8")
TERMS, CHOSEN = 129, 14

#: Residuals of equal subsets differ by rounding alone.
_AGREEMENT = 1e-9

#: Published RMS (kcal/mol) of COACH's example after 600 s on four threads, or what a crude search found (8 terms), and
#: restarts that take less than 10 s of two idle cores.
COACH = {6: (0.5240, 32), 8: (0.2164, 32), 10: (0.0956, 16)}

#: COACH's 288 terms with the prefactors that the packaged nodes have; the two fractions of exact exchange make it 290.
FULL = (
    "x = P(0:11, 2*beta - 1) * u(x2, 0.004)^0:7",
    "css = 2*beta * P(0:11, 2*beta - 1) * u(x2, 0.2)^0:7",
    "cos = P(0:11, w) * P(0:7, u(x2, 0.006))",
)
FULL_OPTIONS = {
    "sizes": "8:40", "criteria": ("train",), "exact_exchange": True, "limit": 25.0, "grid_coefficient": 1.0,
    "constraints": ("uniform_gas", "0 <= f_x <= 1.804"), "restarts": 8, "patience": 20, "screen": 100, "nodes": 1,
}  # fmt: skip

#: Rows of the problem with a planted truth, on which all programs must agree.
PLANTED = 300

#: Linear forms whose fits are timed.
FORMS = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--dataset", default="builtin", help="builtin or a dataset file with a quadrature")
    parser.add_argument("--restarts", type=int, default=16, help="restarts of the local search (default 16)")
    parser.add_argument("--coach", metavar="FILE.npz", help="COACH's example (X, y and conditions)")
    parser.add_argument("--seed", type=int, default=0, help="of the local search")
    parser.add_argument(
        "--full", action="store_true", help="also COACH's 290 terms on all packaged reactions, sizes 8 to 40, with "
        "conditions and grid rows",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure; raises FastsfesError when a peer finds a better subset, or residuals disagree."""
    if arguments.restarts < 1:
        raise InputError("--restarts must be positive")
    library = Library(parse_terms(LIBRARY)[:TERMS])
    columns = Columns.make(library, Dataset.open(arguments.dataset))
    weights = columns.problem.weights("train")
    root = np.sqrt(weights / len(weights))
    x, y = root[:, None] * columns.matrix["train"], root * columns.target["train"]
    core = Selector(columns, Rules.make(columns), "train", Settings()).core
    rows = [_ours(core, x, y, arguments.restarts, arguments.seed)]
    rows.append(_timed("forward selection", lambda: _forward(x, y, CHOSEN), x, y))
    peers = {"abess": _abess} if _imports("abess.linear") else {}
    rows += [_timed(name, partial(choose, x, y, CHOSEN), x, y) for name, choose in peers.items()]
    _agree_on_planted(arguments.seed, {"forward selection": _forward, **peers})
    best = rows[0]["loss"]
    for row in rows[1:]:
        if row["loss"] < best * (1.0 - _AGREEMENT):
            raise FastsfesError(f"{row['name']} found a subset with {row['loss']:.9g} kcal/mol, ours has {best:.9g}")
    fits = _linear_fits(columns, core, arguments.seed)
    coach = [] if not arguments.coach else _coach(Path(arguments.coach), arguments.seed)
    rate = rows[0]["subsets_per_second"]
    targets = [figure("subsets scored per second and core", rate, "1/s", target=3e8)]
    for row in coach:
        name = f"COACH's example, {row['terms']} terms and exchange: RMS"
        targets.append(figure(name, row["rms"], "kcal/mol", target=row["published"], larger=False))
    return {
        "dataset": columns.problem.core.blocks and arguments.dataset,
        "terms": len(library),
        "chosen": CHOSEN,
        "reactions": len(y),
        "rows": rows,
        "fits": fits,
        "coach": coach,
        "full": _full(arguments.seed) if arguments.full else None,
        "peers": sorted(peers),
        "targets": targets,
        "load": os.getloadavg()[0],
    }


def table(result: dict[str, Any]) -> str:
    """Return the result as text."""
    lines = [
        f"{result['chosen']} of {result['terms']} terms on {result['reactions']} reactions of {result['dataset']} "
        f"(processor time; load {result['load']:.1f})",
        f"{'':20s} {'WRMSD':>12s} {'seconds':>9s}",
    ]
    for row in result["rows"]:
        text = f"{row['name']:20s} {row['loss']:12.8f} {row['seconds']:9.3f}"
        if "subsets_per_second" in row:
            text += (
                f"   {row['subsets_per_second']:.3g} subsets/s, moves included; {row['agreeing']} of {row['restarts']} "
                f"restarts agree"
            )
        lines.append(text)
    lines.append(
        f"a linear form of {result['chosen']} terms, microseconds: {result['fits']['fresh']:.0f} for the fit of a "
        f"search, {result['fits']['known']:.0f} where form and columns are known, {result['fits']['solve']:.0f} for "
        f"the coefficients by the Gram matrix"
    )
    for row in result["coach"]:
        lines.append(
            f"COACH's example, {row['terms']:2d} terms and exchange: RMS {row['rms']:.4f} in {row['seconds']:.1f} s of "
            f"processor time, {row['restarts']} restarts (published {row['published']:.4f})"
        )
    if result["full"]:
        f = result["full"]
        lines.append(
            f"{f['terms']} terms on {f['dataset']} under conditions, with grid rows, in {f['seconds']:.0f} s, "
            f"{f['processor_seconds']:.0f} s of processor time:"
        )
        lines += [f"  {r['size']:2d} terms  {r['value']:8.4f} kcal/mol, {r['certificate']}" for r in f["rows"]]
    lines += [line for row in result["targets"] if (line := row_text(row))]
    return "\n".join(lines)


def _ours(core: _core.Selection, x: Array, y: Array, restarts: int, seed: int) -> dict[str, Any]:
    """The local search on one core, with all its moves."""
    found: dict[str, Any] = {}
    started = time.process_time()
    found.update(core.search(CHOSEN, restarts, seed=seed, threads=1))
    seconds = time.process_time() - started
    chosen, squares = found["subsets"][0]
    loss = _loss(x, y, chosen)
    if abs(np.sqrt(squares) - loss) > _AGREEMENT * loss:
        raise FastsfesError(f"the residual of {chosen} is {np.sqrt(squares)!r}, by QR {loss!r}")
    return {
        "name": "fastsfes",
        "loss": loss,
        "seconds": seconds,
        "subsets_per_second": found["scored"] / seconds,
        "agreeing": found["agreeing"],
        "restarts": found["restarts"],
    }


def _linear_fits(columns: Columns, core: _core.Selection, seed: int) -> dict[str, float]:
    """Microseconds of a linear form by the fits of a search, for the first time and again, and by the Gram matrix."""
    rng = np.random.default_rng(seed)
    subsets = [sorted(rng.choice(TERMS, size=CHOSEN, replace=False).tolist()) for _ in range(FORMS)]
    forms = [columns.functional("form", s, np.ones(CHOSEN)) for s in subsets]
    cases: dict[str, Callable[[], object]] = {
        "fresh": lambda: columns.problem.fit(forms, FitSettings(starts=1), threads=1),
        "known": lambda: columns.problem.fit(forms, FitSettings(starts=1), threads=1),
        "solve": lambda: [core.solve(s) for s in subsets],
    }
    found = {}
    for name, case in cases.items():
        started = time.process_time()
        case()
        found[name] = 1e6 * (time.process_time() - started) / FORMS
    return found


def _timed(name: str, choose: Callable[[], list[int]], x: Array, y: Array) -> dict[str, Any]:
    chosen: list[int] = []
    seconds = once(lambda: chosen.extend(choose()), "cpu")
    return {"name": name, "loss": _loss(x, y, chosen), "seconds": seconds}


def _loss(x: Array, y: Array, chosen: list[int]) -> float:
    """Root of the residual sum of squares, by QR of scaled columns."""
    part = x[:, chosen] / np.linalg.norm(x[:, chosen], axis=0)
    q, _ = np.linalg.qr(part)
    left = y - q @ (q.T @ y)
    left -= q @ (q.T @ left)
    return float(np.linalg.norm(left))


def _forward(x: Array, y: Array, count: int) -> list[int]:
    """The term that lowers the residual most, again and again."""
    scaled = x / np.linalg.norm(x, axis=0)
    chosen: list[int] = []
    rest, left = scaled.copy(), y.copy()
    for _ in range(count):
        norms = np.linalg.norm(rest, axis=0)
        gains = np.where(norms > 1e-7, (rest.T @ left) ** 2 / np.maximum(norms, 1e-7) ** 2, -1.0)
        gains[chosen] = -1.0
        best = int(np.argmax(gains))
        q = rest[:, best] / norms[best]
        chosen.append(best)
        rest -= np.outer(q, q @ rest)
        left -= q * (q @ left)
    return chosen


def _abess(x: Array, y: Array, count: int) -> list[int]:
    from abess.linear import LinearRegression

    model = LinearRegression(support_size=[count], fit_intercept=False, thread=1)
    model.fit(x / np.linalg.norm(x, axis=0), y)
    return [int(k) for k in np.flatnonzero(model.coef_)]


def _coach(file: Path, seed: int) -> list[dict[str, Any]]:
    """COACH's example under all its conditions, on one core."""
    try:
        data = np.load(file)
        x, y = data["X"], data["y"]
        matrix, bound, row = data["inequality_matrix"], data["inequality_bound"], data["equality_row"]
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"{file}: cannot be read as COACH's example ({error})") from None
    exchange = x.shape[1] - 1
    limit = np.full(exchange + 1, 25.0)
    hard = np.full(len(bound), np.inf)
    problem = _core.Selection(x, y, row[None], np.ones(1), matrix, bound, hard, limit, [exchange])
    rows = []
    for terms, (published, restarts) in COACH.items():
        found: dict[str, Any] = {}

        def search(size: int = terms + 1, count: int = restarts, into: dict[str, Any] = found) -> None:
            into.update(problem.search(size, count, seed=seed, threads=1))

        seconds = once(search, "cpu")
        chosen = found["subsets"][0][0]
        solution = problem.solve(chosen)
        if solution is None:
            raise FastsfesError(f"{chosen}: no coefficients meet the conditions")
        c = np.zeros(exchange + 1)
        c[chosen] = solution[1]
        if (matrix @ c - bound).min() < -1e-9 or abs(row @ c - 1) > 1e-9 or np.abs(c).max() > 25 * (1 + 1e-9):
            raise FastsfesError(f"{chosen}: a condition does not hold")
        rms = float(np.sqrt(np.mean((y - x @ c) ** 2)))
        rows.append({"terms": terms, "rms": rms, "published": published, "seconds": seconds, "chosen": chosen})
        rows[-1]["restarts"] = restarts
    return rows


def _imports(name: str) -> bool:
    """Whether a peer is there with all that it needs."""
    try:
        import_module(name)
    except ImportError:
        return False
    return True


def _agree_on_planted(seed: int, peers: Mapping[str, Callable[[Array, Array, int], list[int]]]) -> None:
    """Every program must find the terms that independent columns with hardly any noise were made from."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(PLANTED, TERMS))
    truth = sorted(rng.choice(TERMS, size=CHOSEN, replace=False).tolist())
    y = x[:, truth] @ rng.uniform(1.0, 3.0, size=CHOSEN) + 1e-4 * rng.normal(size=PLANTED)
    none = np.zeros((0, TERMS))
    ours = _core.Selection(x, y, none, np.zeros(0), none, np.zeros(0), np.zeros(0), np.full(TERMS, np.inf))
    answers = {"fastsfes": ours.search(CHOSEN, 4, seed=seed, threads=1)["subsets"][0][0]}
    answers |= {name: sorted(choose(x, y, CHOSEN)) for name, choose in peers.items()}
    for name, chosen in answers.items():
        if list(chosen) != truth:
            raise FastsfesError(f"{name} chooses {chosen} where the data were made from {truth}")


def _full(seed: int) -> dict[str, Any]:
    """A selection of the size of COACH's own, as a run."""
    options: dict[str, Any] = {**FULL_OPTIONS, "seed": seed}
    with tempfile.TemporaryDirectory() as folder:
        started, spent = time.perf_counter(), time.process_time()
        done = select(FULL, output=Path(folder) / "run", report=False, progress="plain", **options)
        seconds, processor = time.perf_counter() - started, time.process_time() - spent
        rows = [{k: r[k] for k in ("size", "value", "train", "validation", "certificate")} for r in
                done.summary["selection"]]  # fmt: skip
        counts = {"terms": len(parse_terms(FULL)) + 2, "seconds": seconds, "processor_seconds": processor}
        return {"dataset": done.config.dataset, **counts, "rows": rows}
