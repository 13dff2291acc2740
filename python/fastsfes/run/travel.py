"""What travels between a coordinator and its workers, in the form that costs the coordinator least.

One coordinator serves all workers, so whatever can be done in a worker is done there: candidates arrive packed for
the store, members with the text that it keeps of them, and fitted families as the bytes that later epochs of the
island are given. The bytes are pickles, between processes that belong together.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..common.clock import Usage
from ..evolve.evaluation import Known
from ..evolve.island import EpochResult, Individual, IslandState
from .store import Part, individual_text, pack_candidates

__all__ = ["News", "Report", "members_of", "pack_news", "report", "unpack_news"]

News = tuple[str, float, float, Mapping[str, float]]
"""A family that was fitted: fingerprint, training and validation WRMSD in kcal/mol, further terms."""


@dataclass(frozen=True)
class Report:
    """An `EpochResult` as the coordinator needs it.

    Attributes:
        state: after the epoch.
        made: how many candidates were made.
        parts: the candidates, for the store.
        texts: what the store keeps of every member of the state, in the order of `members_of`.
        news: families that were fitted (`pack_news`).
        families: how many these are.
        fitted: how many candidates were fitted, those without a finite loss included.
        front: see `EpochResult`.
        usage: see `EpochResult`.
    """

    state: IslandState
    made: int
    parts: tuple[Part, ...]
    texts: tuple[str, ...]
    news: bytes
    families: int
    fitted: int
    front: tuple[Individual, ...]
    usage: Usage | None


def members_of(state: IslandState) -> Iterator[Individual]:
    """Everyone in a state."""
    yield from state.population
    yield state.best
    yield from state.founders


def report(result: EpochResult) -> Report:
    """The report of an epoch, in the round of its number."""
    news = []
    for r in result.records:
        if not r.duplicate and Known(r.train, r.validation).finite:
            news.append((r.fingerprint, r.train, r.validation, dict(r.terms)))
    parts = pack_candidates(result.state.island, result.state.epoch, result.records)
    made, fitted = len(result.records), sum(p.fitted for p in parts)
    texts = tuple(individual_text(m) if math.isfinite(m.fitness) else "" for m in members_of(result.state))
    return Report(result.state, made, parts, texts, pack_news(news), len(news), fitted, result.front, result.usage)


def pack_news(news: Iterable[News]) -> bytes:
    """The families of one epoch."""
    return pickle.dumps(tuple(news), protocol=pickle.HIGHEST_PROTOCOL)


def unpack_news(data: bytes) -> dict[str, Known]:
    """Families by fingerprint."""
    loaded: tuple[tuple[Any, ...], ...] = pickle.loads(data)
    return {name: Known(train, validation, terms) for name, train, validation, terms in loaded}
