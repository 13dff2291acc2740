"""``python -m fastsfes``: the command line, for launchers that start modules."""

import sys

from .cli import main

if __name__ == "__main__":
    status = main()
    if "fastsfes.executors.mpi" in sys.modules:
        sys.modules["fastsfes.executors.mpi"].end(status)
    sys.exit(status)
