"""Started by a test under mpiexec: one rank stops for ever in the middle of its task."""

from __future__ import annotations

import signal
import sys

from scale_tasks import add, kill_first, make

from fastsfes.executors import open_executor
from fastsfes.executors.mpi import end


def main(folder: str) -> None:
    with open_executor("mpi", 0, make, (folder, 10), timeout=3.0) as pool:
        futures = [pool.submit(kill_first, 0, signal.SIGSTOP), *(pool.submit(add, i) for i in range(1, 10))]
        print([f.result() for f in futures], pool.statistics.lost, pool.statistics.tasks, flush=True)
    end(0)


if __name__ == "__main__":
    main(sys.argv[1])
