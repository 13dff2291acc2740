"""Fuzz the readers: python tests/fuzz/campaign.py [TARGET ...] --inputs N --seconds S [--engine mutate|atheris]

Every target runs in a process of its own with a limit of memory. An error other than fastsfes' own, a signal, an input
that takes more than ten seconds of the processor or exhausts the memory is a finding; its input is kept in --findings.
Inputs are numbered: --seed and the number make them again, and --first goes on with a campaign, also with one that was
ended (Ctrl-C or SIGTERM print what it has done). With --engine atheris (pip install atheris) the Python code is
instrumented and inputs are chosen by the branches they reach; everything else stays.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import json
import mmap
import os
import re
import resource
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

MEMORY = 6 * 2**30

SLOW = 10
"""Seconds of the processor that an input may take; the clock would count what other programs do."""

ASLEEP = 300
"""Seconds by the clock after which an input that takes no processor time has hung."""


class TooSlowError(BaseException):
    """No `Exception`, and no `OSError` as TimeoutError is: readers must not take it for a damaged file."""


def work(target: str, first: int, last: int, seconds: float, seed: int, counter: mmap.mmap, findings: Path) -> None:
    """In a child: inputs first ... last, the number under way in the shared counter."""
    from fuzz_mutate import mutate
    from fuzz_targets import TARGETS

    import fastsfes as fs

    scratch = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        run, seeds = TARGETS[target](scratch)
        for data in seeds:
            try:
                run(data)
            except fs.FastsfesError as error:
                raise AssertionError(f"an honest input is refused: {error}") from error
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        signal.signal(signal.SIGPROF, _too_slow)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the campaign
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        end = time.monotonic() + seconds
        accepted = bad = 0
        for number in range(first, last):
            struct.pack_into("qqq", counter, 0, number + 1, accepted, bad)
            data = mutate(seeds, seed, number)
            signal.setitimer(signal.ITIMER_PROF, SLOW)
            # what is in C does not see the alarm, and is ended by the system (SIGXCPU)
            resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + 2 * SLOW, resource.RLIM_INFINITY))
            try:
                run(data)
                accepted += 1
            except fs.FastsfesError:
                pass
            except BaseException:
                bad += 1
                (findings / f"{target}-{number}").write_bytes(data)
                (findings / f"{target}-{number}.txt").write_text(traceback.format_exc())
            finally:
                signal.setitimer(signal.ITIMER_PROF, 0)
            if number % 64 == 0 and time.monotonic() > end:
                break
        struct.pack_into("qqq", counter, 0, number + 1, accepted, bad)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _too_slow(*_: object) -> None:
    raise TooSlowError(f"took longer than {SLOW} s")


def _wait(child: int, counter: mmap.mmap, first: int) -> tuple[int, bool]:
    """The child's status, and whether it had to be killed: an input made it wait for something that never comes.

    While the counter is at `first`, the child prepares itself, which may take longer on a busy machine.
    """
    at, since = -1, time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status, False
        (number,) = struct.unpack_from("q", counter, 0)
        if number != at:
            at, since = number, time.monotonic()
        elif number > first and time.monotonic() - since > ASLEEP:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return status, True
        time.sleep(0.05)


def campaign(target: str, inputs: int, seconds: float, seed: int, findings: Path, first: int = 0) -> dict[str, object]:
    """Run a target from input `first` to `inputs`; a child that dies is replaced and goes on behind what killed it."""
    findings.mkdir(parents=True, exist_ok=True)
    counter = mmap.mmap(-1, 24)
    begin, number, accepted, bad, crashes, ended = time.monotonic(), first, 0, 0, 0, False
    while number < inputs and time.monotonic() - begin < seconds:
        struct.pack_into("qqq", counter, 0, number, 0, 0)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work(target, number, inputs, seconds - (time.monotonic() - begin), seed, counter, findings)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        start, status, stuck = number, 0, False
        try:
            status, stuck = _wait(child, counter, number)
        except KeyboardInterrupt:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            ended = True
        number, more, worse = struct.unpack_from("qqq", counter, 0)
        if ended:
            number = max(start, number - 1)  # not the one that was under way
        accepted, bad = accepted + more, bad + worse
        if stuck or os.WIFSIGNALED(status):
            crashes += 1
            what = f"no end after {ASLEEP} s" if stuck else f"signal {os.WTERMSIG(status)}"
            (findings / f"{target}-{number - 1}.txt").write_text(f"{what}; input {number - 1} of seed {seed}")
        elif status != 0:
            raise SystemExit(f"{target}: the target itself failed")
        else:
            break
    took = time.monotonic() - begin
    return {
        "target": target,
        "inputs": number - first,
        "next": number,
        "accepted": accepted,
        "findings": bad,
        "crashes": crashes,
        "ended": ended,
        "seconds": round(took, 1),
        "per_second": round((number - first) / took),
    }


#: Modules of fastsfes that atheris watches.
READERS = set(
    re.findall(r"\w+", "config datasets densities evolve expression functional load options quadrature reading")
)


def _instrument_methods(cls: type, instrument: Callable[[Any], Any]) -> None:
    """Methods, class methods and static methods of a class, in place."""
    for key, value in list(vars(cls).items()):
        if inspect.isfunction(value):
            setattr(cls, key, instrument(value))
        elif isinstance(value, classmethod | staticmethod):
            setattr(cls, key, type(value)(instrument(value.__func__)))


def with_atheris(target: str, inputs: int, seconds: float, seed: int) -> None:
    """Coverage-guided; atheris reports and ends at the first finding."""
    import atheris
    from fuzz_targets import TARGETS

    import fastsfes as fs

    # not at import: an editable install's loader hides the code from atheris
    for name, module in list(sys.modules.items()):
        if name.startswith("fastsfes.") and name.split(".")[1] in READERS:
            for key, value in list(vars(module).items()):
                if inspect.isfunction(value) and value.__module__ == name:
                    setattr(module, key, atheris.instrument_func(value))
                elif inspect.isclass(value) and value.__module__ == name:
                    _instrument_methods(value, atheris.instrument_func)
    scratch = Path(tempfile.mkdtemp())
    corpus = scratch / "corpus"
    corpus.mkdir()
    run, seeds = TARGETS[target](scratch)
    for k, data in enumerate(seeds):
        (corpus / str(k)).write_bytes(data)

    def one(data: bytes) -> None:
        with contextlib.suppress(fs.FastsfesError):
            run(data)

    options = [
        f"-runs={inputs}",
        f"-max_total_time={int(seconds)}",
        f"-seed={seed + 1}",
        "-max_len=20000",
        "-timeout=10",
    ]
    atheris.Setup([sys.argv[0], str(corpus), *options, "-rss_limit_mb=4096"], one)
    atheris.Fuzz()


def main() -> int:
    """Run the command; status 1 when there are findings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="of fuzz_targets.py (default: all)")
    parser.add_argument(
        "--inputs", type=int, default=1_000_000, help="up to this number, per target (default 1,000,000)"
    )
    parser.add_argument("--first", type=int, default=0, help="number of the first input (default 0)")
    parser.add_argument("--seconds", type=float, default=1e9, help="per target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("mutate", "atheris"), default="mutate")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.engine == "atheris":
        if len(arguments.targets) != 1:
            parser.error("--engine atheris takes one TARGET")
        with_atheris(arguments.targets[0], arguments.inputs, arguments.seconds, arguments.seed)
        return 0
    from fuzz_targets import TARGETS

    unknown = [t for t in arguments.targets if t not in TARGETS]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; expected any of {', '.join(TARGETS)}")
    chosen = arguments.targets or list(TARGETS)
    rows = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for target in chosen:
        row = campaign(target, arguments.inputs, arguments.seconds, arguments.seed, arguments.findings, arguments.first)
        rows.append(row)
        print("  ".join(f"{k} {v}" for k, v in row.items()), flush=True)
        if row["ended"]:
            break
    total = sum(int(str(r["inputs"])) for r in rows)
    found = sum(int(str(r["findings"])) + int(str(r["crashes"])) for r in rows)
    print(f"{total} inputs, {found} findings")
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(rows, indent=1) + "\n")
    return int(found > 0)


if __name__ == "__main__":
    sys.exit(main())
