"""A cluster that does not exist, made of measured figures: epochs, messages, and the coordinator's processor time.

One coordinator serves all workers, one message at a time. A round ends when its last epoch has come back; the
coordinator then commits it, while the workers wait. What is assumed and not measured: messages cost their size over
`BANDWIDTH` plus `LATENCY`, and an epoch of k times as many generations takes k times as long.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

BANDWIDTH = 1.25e9
"""Bytes per second out of and into the coordinator: ten gigabit Ethernet."""

LATENCY = 1e-4
"""Seconds per message."""

ISLANDS_PER_WORKER = 4
ROUNDS = 10


@dataclass(frozen=True)
class Sample:
    """What one search showed: sums over its epochs, but for the list of their seconds.

    Attributes:
        islands, generation, generations: of the configuration.
        epochs: how many.
        seconds: processor time of every epoch in its worker.
        pack, unpack, insert, commit: the coordinator's processor time for sending, for receiving, for adding candidates
            to the store, and for what happens between the rounds.
        sent, received: bytes.
    """

    islands: int
    generation: int
    generations: int
    epochs: int
    seconds: Sequence[float]
    pack: float
    unpack: float
    insert: float
    commit: float
    sent: int
    received: int

    @property
    def candidates(self) -> int:
        """Candidates of an epoch."""
        return self.generation * self.generations


class Model:
    """Costs of one epoch: a + b x, where x is what each of them grows with."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        candidates = [s.candidates for s in samples]
        self.costs = {name: self._fit(name, candidates) for name in ("unpack", "insert", "commit", "received")}
        # What is sent tells of the families of all islands; packing copies it.
        self.costs["sent"] = self._fit("sent", [s.candidates * s.islands for s in samples])
        self.costs["pack"] = self._fit("pack", [s.sent / s.epochs for s in samples])
        # The shape of the distribution of epochs in a round (later rounds take longer), mean time of a candidate.
        rounds = [np.reshape(s.seconds, (-1, s.islands)) for s in samples]
        self.shape = np.concatenate([(r / r.mean(axis=1, keepdims=True)).ravel() for r in rounds])
        self.candidate = sum(sum(s.seconds) for s in samples) / sum(s.epochs * s.candidates for s in samples)

    def _fit(self, name: str, grows: Sequence[float]) -> tuple[float, float]:
        values = np.array([getattr(s, name) / s.epochs for s in self.samples])
        matrix = np.array([[1.0, x] for x in grows])
        scale = matrix.max(axis=0)
        scale[scale == 0] = 1.0
        unit = values.max() or 1.0
        a, b = nnls(matrix / scale, values / unit)[0] * unit / scale
        return float(a), float(b)

    def cost(self, name: str, islands: int, candidates: int) -> float:
        """Of one epoch."""
        a, b = self.costs[name]
        if name == "pack":
            return a + b * self.cost("sent", islands, candidates)
        return a + b * candidates * (islands if name == "sent" else 1)

    def simulate(self, workers: int, candidates: int, seed: int = 0) -> dict[str, Any]:
        """Rounds on so many workers with epochs of so many candidates."""
        islands = ISLANDS_PER_WORKER * workers
        sent, received = (self.cost(n, islands, candidates) for n in ("sent", "received"))
        out = self.cost("pack", islands, candidates) + sent / BANDWIDTH
        back = sum(self.cost(n, islands, candidates) for n in ("unpack", "insert")) + received / BANDWIDTH
        commit = self.cost("commit", islands, candidates) * islands
        rng = np.random.default_rng(seed)
        now = work = 0.0
        for _ in range(ROUNDS):
            durations = rng.choice(self.shape, islands) * self.candidate * candidates
            work += float(durations.sum())
            waiting = durations.tolist()
            running: list[float] = []
            while running or waiting:
                if waiting and len(running) < workers:
                    now += out
                    heapq.heappush(running, now + waiting.pop() + 2 * LATENCY)
                else:
                    now = max(now, heapq.heappop(running)) + back
            now += commit
        busy = ROUNDS * (islands * (out + back) + commit)
        return {
            "workers": workers,
            "islands": islands,
            "candidates_per_epoch": candidates,
            "epoch_seconds": self.candidate * candidates,
            "efficiency": work / (workers * now),
            "coordinator_busy": busy / now,
            "bytes_per_epoch": sent + received,
            "gigabytes_per_second": ROUNDS * islands * (sent + received) / now / 1e9,
        }

    def saturation(self, candidates: int) -> int:
        """Largest number of workers (a power of two) at which the coordinator could still serve all."""
        workers = 1
        while workers < 2**20:
            islands = 2 * workers * ISLANDS_PER_WORKER
            service = sum(self.cost(n, islands, candidates) for n in ("pack", "unpack", "insert", "commit"))
            service += sum(self.cost(n, islands, candidates) for n in ("sent", "received")) / BANDWIDTH
            if service * 2 * workers > self.candidate * candidates:
                break
            workers *= 2
        return workers

    def to_dict(self) -> Mapping[str, Any]:
        """The fitted costs, for the record."""
        return {
            "seconds_per_candidate": self.candidate,
            "spread_of_epochs": float(self.shape.std()),
            "costs_per_epoch": {n: {"fixed": a, "growing": b} for n, (a, b) in self.costs.items()},
        }
