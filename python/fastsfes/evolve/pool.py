"""Where epochs run: an executor whose workers are set up for one search."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Protocol

from ..config import SearchConfig
from .setup import Problem
from .worker import set_up

__all__ = ["Pool", "open_pool"]


class Pool(Protocol):
    """Runs tasks on contexts of its workers."""

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run ``task(context, *arguments)`` in some worker."""


class _InProcess:
    def __init__(self, context: object) -> None:
        self._context = context

    def submit(self, task: Callable[..., Any], *arguments: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_result(task(self._context, *arguments))
        return future


@contextmanager
def open_pool(config: SearchConfig, made: Problem, make: Callable[[SearchConfig], Problem]) -> Iterator[Pool]:
    """The executor of a configuration.

    Args:
        config: names the executor and the number of workers.
        made: the problem of this process, which work in this process uses.
        make: makes the problem of a worker in another process.
    """
    yield _InProcess(set_up(config, lambda _: made))
