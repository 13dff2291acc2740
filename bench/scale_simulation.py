"""A cluster that does not exist, made of measured figures: epochs, messages, and the coordinator's processor time.

The simulated coordinator follows the rules of the real one: it serves all workers, one message at a time; an island may
end an epoch while others are one behind; long epochs of a round (by the island's last one) go first; a few jobs more
than there are workers wait at the workers' side. What is assumed and not measured: messages cost their size over
`BANDWIDTH` plus `LATENCY`, and an epoch of k times as many generations takes k times as long.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import nnls

from fastsfes.run.coordinator import CARRIED

BANDWIDTH = 1.25e9
"""Bytes per second out of and into the coordinator: ten gigabit Ethernet."""

LATENCY = 1e-4
"""Seconds per message."""

ISLANDS_PER_WORKER = 4
ROUNDS = 20


@dataclass(frozen=True)
class Sample:
    """What one search showed: sums over its epochs, but for the list of their seconds.

    Attributes:
        islands, generation, generations: of the configuration.
        epochs: how many.
        seconds: processor time of every epoch in its worker, by rounds and islands.
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
        # A job carries the families of earlier epochs of its island (in the mean over the rounds); packing copies them.
        self.costs["sent"] = self._fit("sent", [s.candidates * (s.epochs / s.islands - 1) / 2 for s in samples])
        self.costs["pack"] = self._fit("pack", [s.sent / s.epochs for s in samples])
        # Epochs of every island, relative to the mean of their round: slow islands stay slow. Mean time of a candidate.
        rounds = [np.reshape(s.seconds, (-1, s.islands)) for s in samples]
        self.shapes = [island for r in rounds for island in (r / r.mean(axis=1, keepdims=True)).T]
        self.candidate = sum(sum(s.seconds) for s in samples) / sum(s.epochs * s.candidates for s in samples)

    def _fit(self, name: str, grows: Sequence[float]) -> tuple[float, float]:
        values = np.array([getattr(s, name) / s.epochs for s in self.samples])
        matrix = np.array([[1.0, x] for x in grows])
        scale = matrix.max(axis=0)
        scale[scale == 0] = 1.0
        unit = values.max() or 1.0
        a, b = nnls(matrix / scale, values / unit)[0] * unit / scale
        return float(a), float(b)

    def cost(self, name: str, candidates: int, before: int = 0) -> float:
        """Of one epoch of an island that has made so many candidates before."""
        a, b = self.costs[name]
        if name == "sent":
            return a + min(CARRIED, b * before)
        return a + b * (self.cost("sent", candidates, before) if name == "pack" else candidates)

    def simulate(self, workers: int, candidates: int, seed: int = 0) -> dict[str, Any]:
        """Rounds on so many workers with epochs of so many candidates."""
        islands = ISLANDS_PER_WORKER * workers
        before = [e * candidates for e in range(ROUNDS)]
        out = [self.cost("pack", candidates, n) + self.cost("sent", candidates, n) / BANDWIDTH for n in before]
        received = self.cost("received", candidates)
        back = self.cost("unpack", candidates) + self.cost("insert", candidates) + received / BANDWIDTH
        commit = self.cost("commit", candidates) * islands
        mean = self.candidate * candidates
        rng = np.random.default_rng(seed)
        chosen = [self.shapes[k] * mean for k in rng.integers(len(self.shapes), size=islands)]
        shift = rng.integers(1000, size=islands)

        done, complete, left = [0] * islands, 0, islands  # epochs ended; rounds complete; islands in the round
        last = [0.0] * islands
        ready = [(0, 0.0, i) for i in range(islands)]
        waiting: deque[tuple[float, int]] = deque()  # sent: when, island
        running: list[tuple[float, int]] = []  # until when, island
        idle: list[float] = [0.0] * workers  # since when
        now = work = 0.0

        def start() -> None:
            nonlocal work
            while waiting and idle:
                sent, island = waiting.popleft()
                last[island] = float(chosen[island][(done[island] + shift[island]) % len(chosen[island])])
                work += last[island]
                heapq.heappush(running, (max(sent + LATENCY, heapq.heappop(idle)) + last[island], island))

        while complete < ROUNDS:
            while ready and len(running) + len(waiting) < workers + workers // 2 + 1:
                island = heapq.heappop(ready)[2]
                now += out[done[island]]
                waiting.append((now, island))
                start()
            end, island = heapq.heappop(running)
            heapq.heappush(idle, end)
            start()
            now = max(now, end + LATENCY) + back
            done[island] += 1
            released = [island] if done[island] == complete + 1 else []
            left -= done[island] == complete + 1
            if left == 0:
                now += commit
                complete += 1
                released += [i for i, d in enumerate(done) if d == complete + 1]
                left = islands - sum(d > complete for d in done)
            for i in released:
                if done[i] < ROUNDS:
                    heapq.heappush(ready, (done[i], -last[i], i))
        busy = ROUNDS * (islands * back + commit) + islands * sum(out)
        moved = sum(self.cost("sent", candidates, n) for n in before) / ROUNDS + received
        return {
            "workers": workers,
            "islands": islands,
            "candidates_per_epoch": candidates,
            "epoch_seconds": mean,
            "efficiency": work / (workers * now),
            "coordinator_busy": busy / now,
            "bytes_per_epoch": moved,
            "gigabytes_per_second": ROUNDS * islands * moved / now / 1e9,
        }

    def saturation(self, candidates: int) -> int:
        """Largest number of workers (a power of two) that the coordinator could serve without a pause."""
        before = candidates * ROUNDS // 2
        service = sum(self.cost(n, candidates, before) for n in ("pack", "unpack", "insert", "commit"))
        service += sum(self.cost(n, candidates, before) for n in ("sent", "received")) / BANDWIDTH
        ratio = self.candidate * candidates / service if service > 0 else math.inf
        return 2 ** min(20, math.floor(math.log2(max(1.0, ratio)))) if math.isfinite(ratio) else 2**20

    def to_dict(self) -> Mapping[str, Any]:
        """The fitted costs, for the record."""
        return {
            "seconds_per_candidate": self.candidate,
            "spread_of_epochs": float(np.concatenate(self.shapes).std()),
            "costs_per_epoch": {n: {"fixed": a, "growing": b} for n, (a, b) in self.costs.items()},
        }
