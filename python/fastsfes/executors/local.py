"""The executor that works in this process, in the calling thread, while it waits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

from ..common.errors import FastsfesError
from .core import Executor, cancel

__all__ = ["LocalExecutor"]


class _Lazy(Future[Any]):
    """A future that is worked on when somebody asks for it."""

    def __init__(self, work: Callable[[_Lazy], None]) -> None:
        super().__init__()
        self._work = work

    def result(self, timeout: float | None = None) -> Any:
        self._work(self)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        self._work(self)
        return super().exception(timeout)


class LocalExecutor(Executor):
    """Performs tasks in order of submission as soon as one of them is waited for.

    Nothing is copied and no thread is started; Ctrl-C interrupts the task itself.
    """

    def __init__(self, setup: Callable[..., Any] | None, arguments: tuple[Any, ...]) -> None:
        super().__init__()
        self._setup = setup
        self._arguments = arguments
        self._context: list[Any] = []
        self._queue: deque[tuple[_Lazy, Callable[..., Any], tuple[Any, ...]]] = deque()
        self._closed = False

    @property
    def workers(self) -> int:
        """One."""
        return 1

    def submit(self, task: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Queue a task; see `Executor.submit`."""
        if self._closed:
            raise FastsfesError("this executor is closed; open another one")
        future = _Lazy(self._until)
        self._queue.append((future, task, args))
        return future

    def wait(
        self, futures: Iterable[Future[Any]], timeout: float | None = None
    ) -> tuple[set[Future[Any]], set[Future[Any]]]:
        """Work until one of the futures is done; see `Executor.wait`."""
        wanted = set(futures)
        while self._queue and not any(f.done() for f in wanted):
            self._step()
        return {f for f in wanted if f.done()}, {f for f in wanted if not f.done()}

    def _until(self, future: _Lazy) -> None:
        while self._queue and not future.done():
            self._step()

    def _step(self) -> None:
        future, task, args = self._queue.popleft()
        if not future.set_running_or_notify_cancel():
            return
        started = time.perf_counter()
        try:
            if not self._context:
                self._context.append(self._setup(*self._arguments) if self._setup is not None else None)
            value = task(self._context[0], *args)
        except Exception as error:
            future.set_exception(error)
        except BaseException as error:
            future.set_exception(error)
            raise
        else:
            future.set_result(value)
        self.statistics.tasks += 1
        self.statistics.seconds += time.perf_counter() - started

    def close(self) -> None:
        """Cancel what was not asked for."""
        self._closed = True
        while self._queue:
            cancel(self._queue.popleft()[0])
