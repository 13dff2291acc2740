"""Timing of competing cases in turns, so that a disturbance of the machine meets all of them."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
"""Wall time, or processor time of all threads: the latter suits machines that others use at the same time."""


SHORTEST = 0.005
"""Seconds that a timing lasts at least: shorter cases are called several times in a row."""


def interleave(
    cases: Mapping[str, Callable[[], Any]], repeats: int, clock: str = "wall", warmup: int = 2
) -> dict[str, float]:
    """Median seconds of a call of each case over `repeats` rounds after `warmup`; every round times every case once."""
    now = CLOCKS[clock]
    calls: dict[str, int] = dict.fromkeys(cases, 1)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(repeats + warmup):
        for name, run in cases.items():
            _settle()
            start = now()
            for _ in range(calls[name]):
                run()
            each = (now() - start) / calls[name]
            if round_ >= warmup:
                seconds[name].append(each)
            else:
                calls[name] = math.ceil(min(100.0, SHORTEST / max(each, 1e-9)))
    return {name: median(values) for name, values in seconds.items()}


def _settle() -> None:
    """Wait until the threads of the case before sleep.

    OpenMP's workers go on spinning for some milliseconds after their work, and every library brings a runtime with
    workers of its own: without a pause they would keep the cores from the next case, and be counted there.
    """
    before = time.process_time()
    for _ in range(50):
        time.sleep(0.002)
        now = time.process_time()
        if now - before < 2e-4:
            return
        before = now


def once(run: Callable[[], Any], clock: str = "wall") -> float:
    """Seconds of one call; processor time includes the processes that it starts, such as compilers."""
    if clock == "wall":
        start = time.perf_counter()
        run()
        return time.perf_counter() - start
    before = os.times()
    run()
    after = os.times()
    return sum(after[:4]) - sum(before[:4])
