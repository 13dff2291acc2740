"""A run that is killed with SIGKILL again and again ends like one that was left alone."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_problem import three_channels
from killed_run import CONFIG
from test_search import history

from fastsfes.run.search import Run, search

SCRIPT = Path(__file__).with_name("killed_run.py")


def modified(path: Path) -> int:
    """Time of the last commit of a run."""
    store = path / "history.sqlite"
    return store.stat().st_mtime_ns if store.exists() else 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(CONFIG, output=tmp_path_factory.mktemp("kill") / "undisturbed", problem=three_channels)


@pytest.mark.parametrize(
    ("executor", "kills"),
    [
        ("local", 4),
        pytest.param("local", 20, marks=pytest.mark.slow),
        pytest.param("processes", 20, marks=pytest.mark.slow),
    ],
)
def test_killed_at_random_moments(executor: str, kills: int, undisturbed: Run, tmp_path: Path) -> None:
    path, moments = tmp_path / "run", random.Random(20 * kills + len(executor))
    rounds, done = undisturbed.states[0].epoch, 0
    counts = []
    while done < kills:
        process = subprocess.Popen([sys.executable, str(SCRIPT), str(path), executor])
        # at a random moment of a random round from now, so that kills come all along the run
        for _ in range(moments.randint(0, max(1, 2 * rounds // kills - 1))):
            before = modified(path)
            while modified(path) == before and process.poll() is None:
                time.sleep(0.001)
        time.sleep(moments.uniform(0.0, 2.0 * undisturbed.summary["seconds"] / rounds))
        if process.poll() is not None:
            break  # it ended before it could be killed
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        done += 1
        counts.append(len(history(path)) if (path / "history.sqlite").exists() else 0)
    assert done >= kills // 2
    assert len(set(counts)) > kills // 4  # the kills came all along the run
    assert counts == sorted(counts)  # nothing that was stored is ever lost
    final = search(resume=path, problem=three_channels) if path.exists() else undisturbed
    assert final.summary["complete"]
    assert history(final.path) == history(undisturbed.path)
    assert final.pareto == undisturbed.pareto
    assert final.best == undisturbed.best
