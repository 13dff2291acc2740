"""A small layered layout of directed acyclic graphs: layers, few crossings, straight edges.

Layers by the longest path from the root, crossings reduced by barycentres (Sugiyama, Tagawa & Toda 1981,
10.1109/TSMC.1981.4308636), positions by least squares that keep the distances: isotonic regression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["Layout", "layered"]

_SWEEPS = 12


@dataclass(frozen=True)
class Layout:
    """Centres of the nodes, the bends of every edge (parent to child, both ends included), and the size of it all."""

    places: list[tuple[float, float]]
    routes: dict[tuple[int, int], list[tuple[float, float]]]
    width: float
    height: float


def layered(
    children: Sequence[Sequence[int]], root: int, widths: Sequence[float], *, gap: float = 18.0, step: float = 74.0
) -> Layout:
    """Lay out the nodes that the root reaches, root on top.

    Args:
        children: of every node; a child may have several parents, but nothing may be its own descendant.
        root: where all paths begin.
        widths: of the nodes.
        gap: smallest distance between neighbours.
        step: distance of the layers.
    """
    depth = _depths(children, root)
    layers: list[list[int]] = [[] for _ in range(max(depth.values()) + 1)]
    # nodes, then one bend per layer that an edge crosses
    wide = {v: widths[v] for v in depth}
    above: dict[int, list[int]] = {v: [] for v in depth}
    below: dict[int, list[int]] = {v: [] for v in depth}
    chains: dict[tuple[int, int], list[int]] = {}
    level = dict(depth)
    fresh = len(children)
    for parent in depth:
        for child in dict.fromkeys(children[parent]):
            chain = [parent]
            for between in range(depth[parent] + 1, depth[child]):
                wide[fresh], level[fresh], above[fresh], below[fresh] = 6.0, between, [], []
                chain.append(fresh)
                fresh += 1
            chain.append(child)
            chains[parent, child] = chain
            for a, b in pairwise(chain):
                below[a].append(b)
                above[b].append(a)
    for v in level:  # the order in which nodes were found is a good start: siblings side by side
        layers[level[v]].append(v)
    _untangle(layers, above, below)
    x = _positions(layers, above, below, wide, gap)
    left = min(x[v] - wide[v] / 2 for v in x)
    x = {v: value - left for v, value in x.items()}
    half = 16.0
    at = {v: (x[v], half + step * level[v]) for v in x}
    width = max(x[v] + wide[v] / 2 for v in x)
    places = [at.get(v, (0.0, 0.0)) for v in range(len(children))]
    return Layout(
        places, {e: [at[v] for v in chain] for e, chain in chains.items()}, width, 2 * half + step * (len(layers) - 1)
    )


def _depths(children: Sequence[Sequence[int]], root: int) -> dict[int, int]:
    """Longest distance from the root of every node, in an order in which parents come first."""
    order: list[int] = []
    state = {root: 0}
    stack = [root]
    while stack:
        v = stack[-1]
        if state[v] < len(children[v]):
            child = children[v][state[v]]
            state[v] += 1
            if child not in state:
                state[child] = 0
                stack.append(child)
        else:
            order.append(stack.pop())
    order.reverse()
    depth = dict.fromkeys(order, 0)
    for v in order:
        for child in children[v]:
            depth[child] = max(depth[child], depth[v] + 1)
    return depth


def _crossings(layers: list[list[int]], below: dict[int, list[int]]) -> int:
    total = 0
    for upper, lower in pairwise(layers):
        rank = {v: k for k, v in enumerate(lower)}
        ends = [sorted(rank[b] for b in below[v]) for v in upper]
        for i, left in enumerate(ends):
            for right in ends[i + 1 :]:
                total += sum(a > b for a in left for b in right)
    return total


def _untangle(layers: list[list[int]], above: dict[int, list[int]], below: dict[int, list[int]]) -> None:
    """Order every layer by the means of its neighbours, down and up again; keep the best order seen."""
    best, kept = _crossings(layers, below), [list(layer) for layer in layers]
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        indices = range(1, len(layers)) if down else range(len(layers) - 2, -1, -1)
        for k in indices:
            rank = {v: i for i, v in enumerate(layers[k - 1 if down else k + 1])}
            near = above if down else below
            own = {v: i for i, v in enumerate(layers[k])}
            mean = {v: sum(rank[n] for n in near[v]) / len(near[v]) if near[v] else own[v] for v in layers[k]}
            layers[k].sort(key=lambda v: (mean[v], own[v]))
        found = _crossings(layers, below)
        if found < best:
            best, kept = found, [list(layer) for layer in layers]
    layers[:] = kept


def _positions(
    layers: list[list[int]],
    above: dict[int, list[int]],
    below: dict[int, list[int]],
    wide: dict[int, float],
    gap: float,
) -> dict[int, float]:
    x: dict[int, float] = {}
    for layer in layers:
        edge = 0.0
        for v in layer:
            x[v] = edge + wide[v] / 2
            edge += wide[v] + gap
    for sweep in range(_SWEEPS):
        order = layers if sweep % 2 == 0 else layers[::-1]
        for layer in order:
            wish = []
            for v in layer:
                near = (above[v] if sweep % 2 == 0 else below[v]) or [v]
                if sweep >= _SWEEPS - 2:
                    near = (above[v] + below[v]) or [v]
                wish.append(sum(x[n] for n in near) / len(near))
            apart = [(wide[a] + wide[b]) / 2 + gap for a, b in pairwise(layer)]
            for v, value in zip(layer, _spread(wish, apart), strict=True):
                x[v] = value
    return x


def _spread(wish: list[float], apart: list[float]) -> list[float]:
    """The positions nearest to the wishes (least squares) that keep these distances: pool adjacent violators."""
    offset = [0.0]
    for distance in apart:
        offset.append(offset[-1] + distance)
    blocks: list[tuple[float, int]] = []  # mean of wish - offset, number of members
    for w, o in zip(wish, offset, strict=True):
        mean, count = w - o, 1
        while blocks and blocks[-1][0] > mean:
            other, members = blocks.pop()
            mean = (mean * count + other * members) / (count + members)
            count += members
        blocks.append((mean, count))
    flat = [mean for mean, count in blocks for _ in range(count)]
    return [f + o for f, o in zip(flat, offset, strict=True)]
