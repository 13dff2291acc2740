"""``fastsfes-bench scale``: how a search uses the cores there are, and a simulation of clusters there are not.

Strong scaling: one search on 1, 2, 4, ... worker processes; every run must find the same, bit for bit. The simulation
is made of what smaller searches show about epochs, messages and the coordinator: see `scale_simulation`.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from fastsfes.common.errors import FastsfesError, InputError
from fastsfes.executors import Executor, Statistics, available_cores, open_executor
from fastsfes.executors.worker import forget, install, pack, perform, unpack
from fastsfes.run.config import SearchConfig
from fastsfes.run.coordinator import Coordinator
from fastsfes.run.interrupt import Signals
from fastsfes.run.lock import RunLock
from fastsfes.run.log import RunLog
from fastsfes.run.problem import make_problem
from fastsfes.run.progress import SilentProgress
from fastsfes.run.setup import prepare
from fastsfes.run.store import Part, RunStore
from fastsfes.run.worker import report_epoch, set_up

from .scale_simulation import BANDWIDTH, ISLANDS_PER_WORKER, LATENCY, Model, Sample

SUMMARY = "strong scaling of a search on this machine's cores, and a simulation of larger clusters"

WORKERS = (16, 128, 1024)
GENERATION = 32  # candidates
GENERATIONS = (8, 32, 128, 512)
GOAL = 0.9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this benchmark."""
    parser.add_argument("--dataset", default="builtin", help="dataset (default builtin)")
    parser.add_argument("--base", default="wb97m_v", help="where the search starts (default wb97m_v)")
    parser.add_argument("--starts", type=int, default=1, metavar="N", help="starting points of a fit (default 1)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of every search (default 3)")
    parser.add_argument("--max-workers", type=int, default=0, metavar="N", help="processes (default: the cores)")


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure and simulate; raises FastsfesError when a number of workers changes the result."""
    if arguments.rounds < 1:
        raise InputError(f"--rounds is {arguments.rounds}; expected at least 1")
    cores = arguments.max_workers or available_cores()
    counts = sorted({2**k for k in range(cores.bit_length()) if 2**k <= cores} | {cores})

    def config(islands: int, generations: int) -> SearchConfig:
        return SearchConfig.make(
            dataset=arguments.dataset, base=(arguments.base,), starts=arguments.starts, islands=islands,
            generations=generations, max_instructions=-1, threads=1,
            candidates=islands * (1 + GENERATION * generations * arguments.rounds), generation=GENERATION,
        )  # fmt: skip

    scaling = _scaling(config(4 * cores, 8), counts)
    model = Model([_sample(config(*shape)) for shape in ((8, 4), (8, 16), (32, 4))])
    rows = [model.simulate(w, g * GENERATION) | {"generations": g} for w in WORKERS for g in GENERATIONS]
    enough = [r["generations"] for r in rows if r["workers"] == 128 and r["efficiency"] >= GOAL]
    return {
        "dataset": arguments.dataset,
        "base": arguments.base,
        "starts": arguments.starts,
        "cores": available_cores(),
        "strong_scaling": scaling,
        "model": model.to_dict(),
        "simulation": {
            "assumed": {"bytes_per_second": BANDWIDTH, "latency": LATENCY, "islands_per_worker": ISLANDS_PER_WORKER},
            "rows": rows,
            "saturation": [{"generations": g, "workers": model.saturation(g * GENERATION)} for g in GENERATIONS],
            "generations_for_128_workers": min(enough) if enough else None,
        },
    }


class _Store(RunStore):
    """Takes the processor time of adding candidates."""

    insert = 0.0

    def add_epoch(self, island: int, round_: int, parts: Iterable[Part]) -> None:
        started = time.process_time()
        super().add_epoch(island, round_, parts)
        _Store.insert += time.process_time() - started


def _search(config: SearchConfig, folder: Path, executor: Executor) -> tuple[float, float, Any]:
    """Run a search without its report; returns wall seconds, processor seconds here, and everything that was found."""
    folder.mkdir()
    silent = SilentProgress()
    made = make_problem(config)
    with executor as pool, RunLock(folder) as lock, _Store.create(folder / "history.sqlite") as store:
        log = RunLog(folder, silent.message)
        coordinator = Coordinator(folder, config, prepare(config), made, store, lock, Signals(folder), log, silent)
        pool.wait([pool.submit(_ready, 0.2) for _ in range(pool.workers)])  # workers are there and have their data
        pool.statistics = Statistics(setup_bytes=pool.statistics.setup_bytes)  # of the rounds alone
        started, cpu = time.perf_counter(), time.process_time()
        coordinator.run(pool, 0.0)
        seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    with sqlite3.connect(folder / "history.sqlite") as db:
        found = [db.execute(f"SELECT * FROM {t} ORDER BY 1, 2").fetchall() for t in ("epochs", "states")]
    return seconds, cpu, found


def _ready(context: object, seconds: float) -> None:
    time.sleep(seconds)


def _scaling(config: SearchConfig, counts: list[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    first: Any = None
    epochs = config.islands * -(-(config.candidates // config.islands) // (config.generation * config.generations))
    with tempfile.TemporaryDirectory() as folder:
        for count in counts:
            pool = open_executor("processes", count, set_up, (config, make_problem), threads=1)
            seconds, _, found = _search(config, Path(folder) / str(count), pool)
            first = first or found
            if found != first:
                raise FastsfesError(f"{count} workers found something else than {counts[0]}")
            s = pool.statistics
            rows.append(
                {
                    "workers": count,
                    "seconds": seconds,
                    "speedup": rows[0]["seconds"] / seconds if rows else 1.0,
                    "efficiency": rows[0]["seconds"] / seconds / count if rows else 1.0,
                    "overhead_per_epoch": max(0.0, count * seconds - s.seconds) / epochs,
                    "setup_bytes": s.setup_bytes * count,
                    "bytes_per_epoch": (s.sent + s.received) / epochs,
                }
            )
    return rows


class _Meter(Executor):
    """Works in this process, but with messages, and takes the processor time of everything."""

    def __init__(self, config: SearchConfig) -> None:
        super().__init__()
        forget("meter")
        install("meter", pack((set_up, (config, make_problem))))
        self.epochs: dict[tuple[int, int], float] = {}  # by epoch and island
        self.pack = self.unpack = 0.0

    @property
    def workers(self) -> int:
        return 1

    def submit(self, task: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        now = [time.process_time()]
        data = pack((task, args))
        now.append(time.process_time())
        reply = perform("meter", data)
        now.append(time.process_time())
        unpack(reply, future.set_exception, future.set_result)
        now.append(time.process_time())
        if task is report_epoch:
            self.pack += now[1] - now[0]
            state = args[0].state
            self.epochs[state.epoch, state.island] = now[2] - now[1]
            self.unpack += now[3] - now[2]
            self.statistics.sent += len(data)
            self.statistics.received += len(reply)
        return future

    def close(self) -> None:
        pass


def _sample(config: SearchConfig) -> Sample:
    meter = _Meter(config)
    meter.submit(_ready, 0.0)
    _Store.insert = 0.0
    with tempfile.TemporaryDirectory() as folder:
        _, whole, _ = _search(config, Path(folder) / "run", meter)
    insert = _Store.insert
    seconds = [meter.epochs[key] for key in sorted(meter.epochs)]
    commit = max(0.0, whole - sum(seconds) - meter.pack - meter.unpack - insert)
    return Sample(
        config.islands, config.generation, config.generations, len(seconds), seconds, meter.pack,
        meter.unpack, insert, commit, meter.statistics.sent, meter.statistics.received,
    )  # fmt: skip


def table(result: Mapping[str, Any]) -> str:
    """What people read."""
    lines = [
        f"search from {result['base']} on {result['dataset']}, {result['cores']} cores; same result on all",
        "workers  seconds  speedup  efficiency  overhead/epoch (ms)  kB/epoch  kB once per worker",
    ]
    for r in result["strong_scaling"]:
        lines.append(
            f"{r['workers']:7d}  {r['seconds']:7.2f}  {r['speedup']:7.2f}  {r['efficiency']:10.2f}  "
            f"{1e3 * r['overhead_per_epoch']:19.1f}  {r['bytes_per_epoch'] / 1e3:8.1f}  "
            f"{r['setup_bytes'] / r['workers'] / 1e3:18.1f}"
        )
    model, simulation = result["model"], result["simulation"]
    lines += [
        "",
        f"SIMULATION, not a measurement: {1e3 * model['seconds_per_candidate']:.2f} ms per candidate, "
        f"{simulation['assumed']['islands_per_worker']} islands per worker, "
        f"{simulation['assumed']['bytes_per_second'] / 1e9:g} GB/s",
        "workers  generations  epoch (s)  efficiency  coordinator busy  MB/epoch  GB/s",
    ]
    for r in simulation["rows"]:
        lines.append(
            f"{r['workers']:7d}  {r['generations']:11d}  {r['epoch_seconds']:9.2f}  {r['efficiency']:10.2f}  "
            f"{r['coordinator_busy']:16.2f}  {r['bytes_per_epoch'] / 1e6:8.2f}  {r['gigabytes_per_second']:4.2f}"
        )
    for s in simulation["saturation"]:
        lines.append(
            f"epochs of {s['generations']} generations: the coordinator saturates beyond {s['workers']} workers"
        )
    chosen = simulation["generations_for_128_workers"]
    lines.append(
        f"128 workers at an efficiency of {GOAL}: "
        + (f"epochs of {chosen} generations or more" if chosen else "not with any of these epochs")
    )
    return "\n".join(lines)
