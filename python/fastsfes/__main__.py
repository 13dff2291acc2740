"""``python -m fastsfes``: the command line, for launchers that start modules."""

import sys

from .cli import main

if __name__ == "__main__":
    status = main()
    # MPI waits for all ranks when Python ends, also for one that stalled; nothing is imported here to find out.
    if "fastsfes.executors.mpi" in sys.modules:
        sys.modules["fastsfes.executors.mpi"].end(status)
    sys.exit(status)
