"""What holds for every executor, on the two that need nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import SimpleNamespace

import pytest
import scale_tasks
from scale_tasks import add, add_slowly, fail, fail_awkwardly, kill_always, kill_first, make, no_setup, process, sleep

from fastsfes import FastsfesError, InputError
from fastsfes.executors import WorkerLost, available_cores, open_executor
from fastsfes.executors import core as executors_core
from fastsfes.executors.core import Job, QueueExecutor
from fastsfes.executors.processes import ProcessExecutor


@pytest.fixture(params=["local", "processes"])
def spec(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_results_errors_and_contexts(spec: str, tmp_path: Path) -> None:
    with open_executor(spec, 2, make, (str(tmp_path), 100)) as pool:
        futures = [pool.submit(add_slowly, i) for i in range(12)]
        seen, told = set(), []
        for future in futures:
            future.add_done_callback(told.append)
        waiting = set(futures)
        while waiting:
            done, waiting = pool.wait(waiting)
            assert done
            seen |= done
        assert seen == set(futures) == set(told)
        assert [f.result() for f in futures] == [100 + i for i in range(12)]
        with pytest.raises(ValueError, match="a task that fails"):
            pool.submit(fail).result()
        with pytest.raises(Exception, match="1 and 2"):
            pool.submit(fail_awkwardly).result()
        assert pool.submit(add, 1).result() == 101  # errors of tasks leave the workers alone
        assert pool.statistics.tasks == 15
        assert pool.statistics.lost == 0
    # Data reach a worker once: as many contexts as workers, whatever the number of tasks.
    assert len(list(tmp_path.glob("context-*"))) == pool.workers == (1 if spec == "local" else 2)


def test_closing_cancels_what_is_left(spec: str, tmp_path: Path) -> None:
    with open_executor(spec, 1, make, (str(tmp_path), 0)) as pool:
        assert pool.submit(add, 1).result() == 1
        futures = [pool.submit(sleep, 0.0 if spec == "local" else 60.0) for _ in range(3)]
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(timeout=0)
    with pytest.raises(FastsfesError, match="closed"):
        pool.submit(add, 1)


def test_a_setup_that_fails_is_the_error_of_its_tasks(spec: str) -> None:
    with open_executor(spec, 1, no_setup, ("/data",)) as pool, pytest.raises(OSError, match="/data is not here"):
        pool.submit(add, 1).result()


def test_errors_carry_the_traceback_of_the_worker() -> None:
    with open_executor("processes", 1) as pool:
        error = pool.submit(fail).exception()
    assert "scale_tasks.py" in str(error.__cause__)


def test_lost_workers_are_replaced_and_only_their_tasks_repeated(tmp_path: Path) -> None:
    with open_executor("processes", 2, make, (str(tmp_path), 10)) as pool:
        futures = [pool.submit(kill_first if i % 5 == 0 else add, i) for i in range(20)]
        assert [f.result() for f in futures] == [10 + i for i in range(20)]
        assert pool.statistics.lost == 4
        assert pool.statistics.tasks == 20  # nothing counted twice


def test_workers_that_are_ended_by_signals_without_a_name(tmp_path: Path) -> None:
    with open_executor("processes", 1, make, (str(tmp_path), 10)) as pool:
        assert pool.submit(kill_first, 0, 40).result(timeout=60) == 10  # a real-time signal
        assert pool.statistics.lost == 1
        with pytest.raises(WorkerLost, match="was ended by signal 41"):
            pool.submit(kill_always, 41).result(timeout=60)
        assert pool.submit(add, 1).result(timeout=60) == 11


def test_a_task_that_kills_every_worker_is_given_up(tmp_path: Path) -> None:
    with open_executor("processes", 2, make, (str(tmp_path), 0)) as pool:
        poison, others = pool.submit(kill_always), [pool.submit(add_slowly, i) for i in range(10)]
        with pytest.raises(WorkerLost, match=r"kill_always could not be done.*SIGKILL.*enough memory"):
            poison.result()
        assert [f.result() for f in others] == list(range(10))
    assert len(list(tmp_path.glob("attempt-*"))) == 3


def test_processes_that_cannot_be_started_are_the_error_of_the_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[bool] = []

    def refuse(self: SpawnProcess) -> None:
        starts.append(True)
        raise BlockingIOError("no more processes")

    with open_executor("processes", 1, make, (str(tmp_path), 10)) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(SpawnProcess, "start", refuse)
            with pytest.raises(WorkerLost, match=r"could not be started \(no more processes\)"):
                pool.submit(add, 1).result(timeout=30)
        assert len(starts) == 3
        assert pool.submit(add, 1).result(timeout=60) == 11  # its slot goes on


def test_whatever_happens_to_a_worker_its_task_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that nobody expects must not end the thread that feeds a worker."""

    def refuse(self: SpawnProcess) -> None:
        raise LookupError("this is not foreseen")

    with open_executor("processes", 1, make, (str(tmp_path), 10)) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(SpawnProcess, "start", refuse)
            with pytest.raises(WorkerLost, match="this is not foreseen"):
                pool.submit(add, 1).result(timeout=30)
        assert pool.submit(add, 1).result(timeout=60) == 11
        with monkeypatch.context() as patch:
            patch.setattr("fastsfes.executors.core.unpack", lambda *_: {}["no such class"])
            with pytest.raises(WorkerLost, match=r"the answer to add cannot be read.*no such class"):
                pool.submit(add, 1).result(timeout=60)
        with monkeypatch.context() as patch:
            patch.setattr(pool, "_send", lambda job: {}["no such connection"])
            with pytest.raises(WorkerLost, match=r"add could not be sent to a worker.*no such connection"):
                pool.submit(add, 1).result(timeout=60)
        assert pool.submit(add, 2).result(timeout=60) == 12
    with open_executor("processes", 1, make, (str(tmp_path), 10), timeout=0.4) as pool:
        monkeypatch.setattr(pool, "_refresh", lambda: {}["no such thing"])
        with pytest.raises(WorkerLost, match=r"the executor failed.*no such thing"):
            pool.submit(sleep, 60.0).result(timeout=60)


def test_a_script_without_a_main_guard_ends_and_says_what_it_needs(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import fastsfes as fs\n"
        "config = fs.SearchConfig.make(dataset='builtin', candidates=600, executor='processes', workers=1, islands=2)\n"
        "fs.search(config, report=False)\n"
    )
    done = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()[-1]
    assert 'under: if __name__ == "__main__":' in said
    assert "memory" not in said
    assert len(list(tmp_path.glob("fastsfes-runs/*"))) == 1  # that of the script itself, none of its workers


def test_a_stalled_worker_is_replaced(tmp_path: Path) -> None:
    with open_executor("processes", 2, make, (str(tmp_path), 10), timeout=5.0) as pool:
        futures = [pool.submit(kill_first, 0, signal.SIGSTOP), *(pool.submit(add, i) for i in range(1, 10))]
        assert [f.result() for f in futures] == [10 + i for i in range(10)]
        assert pool.statistics.lost == 1


def test_threads_of_workers_are_set_together(monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(os.environ)
    with open_executor("processes", 2, threads=3) as pool:
        found = [pool.submit(process) for _ in range(4)]
        for future in found:
            variables = future.result()[1]
            assert {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"} <= variables.keys()
            assert set(variables.values()) == {"3"}
        assert len({f.result()[0] for f in found} | {os.getpid()}) == 3
    assert dict(os.environ) == before


def test_cores_are_those_of_slurm_and_of_the_affinity_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert available_cores() == 8
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert available_cores() == 6
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "64")
    assert available_cores() == 8
    pool = ProcessExecutor(0, None, ())
    assert (pool.workers, pool.threads) == (8, 1)
    pool.close()
    pool = ProcessExecutor(2, None, ())
    assert (pool.workers, pool.threads) == (2, 4)
    pool.close()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    pool = ProcessExecutor(2, None, ())
    assert pool.threads == 1
    pool.close()


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(scale_tasks.__file__).parent)!r})\n"
        "from scale_tasks import process, sleep\nfrom fastsfes.executors import open_executor\n"
        "if __name__ == '__main__':\n    with open_executor('processes', 2) as pool:\n"
        "        found = [pool.submit(process) for _ in range(2)]\n"
        "        pids = {f.result()[0] for f in found}\n        print(*pids, flush=True)\n"
        "        [pool.submit(sleep, 600) for _ in range(2)]\n        pool.submit(sleep, 600).result()\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(word) for word in parent.stdout.readline().split()]
        assert workers
        parent.kill()
    deadline = time.monotonic() + 60
    while any(runs(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)


def runs(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("wrong", ["", "threads", "dask", "dask:", "mpi:4"])
def test_unknown_specifications(wrong: str) -> None:
    with pytest.raises(InputError, match="expected local, processes, dask:ADDRESS"):
        open_executor(wrong)


def test_a_negative_number_of_workers() -> None:
    with pytest.raises(InputError, match="workers is -1"):
        open_executor("processes", -1)


@pytest.mark.parametrize(("name", "package"), [("dask:tcp://localhost:1", "distributed"), ("mpi", "mpi4py")])
def test_absent_packages_are_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "fastsfes.executors." + ("mpi" if name == "mpi" else "dask_cluster")
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=r'needs .*pip install "fastsfes\['):
        open_executor(name)


class Patient(QueueExecutor):
    """One worker that never answers, and passes of the tender that can be waited for."""

    def __init__(self, timeout: float) -> None:
        super().__init__(attempts=4, timeout=timeout)
        self.late: list[Job] = []
        self.passes = threading.Semaphore(0)
        self._tender.start()

    @property
    def workers(self) -> int:
        return 1

    def _capacity(self) -> int:
        return 1

    def _send(self, job: Job) -> None:
        pass

    def _abandon(self, job: Job) -> None:
        self.late.append(job)
        self._lose(job, "late")

    def _refresh(self) -> None:
        self.passes.release()

    def look(self) -> int:
        """How often the worker was given up, once the tender has looked at the clock as it is now."""
        while self.passes.acquire(blocking=False):
            pass
        for _ in range(3):  # one that has begun before, one that begins now, and the sign that this has ended
            self.passes.acquire()
        return len(self.late)

    def _end(self) -> None:
        pass


def test_the_time_limit_doubles_with_every_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(executors_core, "time", SimpleNamespace(monotonic=lambda: now[0]))
    limit = 0.02  # seconds of a clock that the test moves; a quarter of it passes between two looks
    with Patient(limit) as pool:
        future = pool.submit(add, 1)
        for repetition in range(4):
            now[0] += 0.9 * limit * 2**repetition
            assert pool.look() == repetition
            now[0] += 0.2 * limit * 2**repetition
            assert pool.look() == repetition + 1
        with pytest.raises(WorkerLost, match="late"):
            future.result()
