"""One interface for the work of searches, density builds and validations, in `concurrent.futures` form.

    with open_executor("processes", workers=4, setup=make_problem, arguments=(config,)) as pool:
        futures = {pool.submit(fit, candidate) for candidate in candidates}
        while futures:
            done, futures = pool.wait(futures)

A worker runs ``fit(context, candidate)``, where ``context = make_problem(config)`` is made once in each worker process:
data reach a worker once, not with every task. Tasks are pure functions, so one whose worker was lost is run again.

| specification | who works |
|---|---|
| ``local`` | this process, while it waits |
| ``processes`` | processes of this machine, started by spawning |
| ``dask:ADDRESS``, ``dask:FILE.json`` | the workers of a Dask scheduler; TLS as Dask's own configuration says |
| ``mpi`` | the other ranks under ``mpiexec -n N python -m mpi4py.futures -m fastsfes ...`` |
"""

from .core import Executor, Statistics, WorkerLost
from .factory import check_executor, open_executor
from .threads import available_cores

__all__ = ["Executor", "Statistics", "WorkerLost", "available_cores", "check_executor", "open_executor"]
