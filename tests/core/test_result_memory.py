"""Memory of large results: reused once released, never shared by two living arrays, bounded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fastsfes import Expression, _core

LARGE = 200_000  # points: more than the mebibyte from which memory is kept


def evaluate(text: str, x2: np.ndarray) -> np.ndarray:
    return Expression.parse(text).program.evaluate([x2], [], backend=1)[0]


def test_memory_of_a_released_result_serves_the_next() -> None:
    x2 = np.arange(float(LARGE))
    first = evaluate("x2 + 1", x2)
    address = first.ctypes.data
    kept = _core.kept_result_memory()
    del first
    assert _core.kept_result_memory() > kept
    second = evaluate("x2 + 2", x2[:-1].copy())
    assert second.ctypes.data == address
    assert second.flags.writeable
    np.testing.assert_array_equal(second, x2[:-1] + 2)


def test_a_row_keeps_the_memory_of_its_result() -> None:
    x2 = np.arange(float(LARGE))
    program = _core.Program([Expression.parse(text)._handle for text in ("x2 + 1", "x2 + 2")])
    row = program.evaluate([x2], [])[1]
    others = [evaluate("x2 - 1", x2) for _ in range(4)]
    np.testing.assert_array_equal(row, x2 + 2)
    assert len({other.ctypes.data for other in others}) == 4
    for other in others:
        np.testing.assert_array_equal(other, x2 - 1)


@pytest.mark.parametrize("points", [0, 1, 1000])
def test_small_results_are_ordinary_arrays(points: int) -> None:
    kept = _core.kept_result_memory()
    result = evaluate("x2 + 1", np.zeros(points))
    np.testing.assert_array_equal(result, np.ones(points))
    del result
    assert _core.kept_result_memory() == kept


def test_threads_never_share_a_result() -> None:
    def work(k: int) -> bool:
        x2 = np.full(LARGE + 1000 * k, float(k))
        results = [evaluate(f"x2 + {j}", x2) for j in range(8)]
        return all(np.array_equal(result, x2 + j) for j, result in enumerate(results))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(24)))


def test_kept_memory_is_bounded() -> None:
    x2 = np.zeros(10_000_000)  # 76 MiB a result
    results = [evaluate("x2 + 1", x2) for _ in range(8)]
    del results
    assert 400 << 20 < _core.kept_result_memory() <= 512 << 20
