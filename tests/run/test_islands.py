"""Several islands: rounds, migration, the archive, several bases, and independence of who did the work."""

from __future__ import annotations

import itertools
import pickle
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from fake_problem import three_channels
from test_search import SMALL, Killed, history

from fastsfes import InputError
from fastsfes.evolve.island import EpochResult, Individual, IslandState, pareto_front
from fastsfes.evolve.migration import Migration, migrants, receive
from fastsfes.executors.local import LocalExecutor
from fastsfes.run import coordinator
from fastsfes.run.config import SearchConfig
from fastsfes.run.search import Run, search
from fastsfes.run.setup import prepare
from fastsfes.run.travel import report
from fastsfes.run.worker import Behind, Job, report_epoch, run_epoch, run_found, set_up

ISLANDS = replace(SMALL, candidates=902, islands=3, migrate_every=2, migrants=3)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(ISLANDS, output=tmp_path_factory.mktemp("runs") / "islands", problem=three_channels)


def test_the_budget_is_shared_and_islands_exchange(undisturbed: Run) -> None:
    states = undisturbed.states
    assert [s.candidates for s in states] == [301, 301, 300]
    assert undisturbed.summary["candidates"] == 902
    origins = [{m.island for m in s.population} for s in states]
    assert any(len(o) > 1 for o in origins)
    rows = [r for r in history(undisturbed.path) if len(r) > 10]
    assert any(r[0] != r[3] for r in rows if r[3] >= 0)  # children of migrants


def test_the_archive_is_the_front_of_all_candidates(undisturbed: Run) -> None:
    front = undisturbed.pareto
    for simple, rich in itertools.pairwise(front):
        assert simple["complexity"] < rich["complexity"]
        assert simple["error"] > rich["error"]
    rows = [r for r in history(undisturbed.path) if len(r) > 10 and not r[7] and r[12] is not None]
    for r in rows:  # nothing that was fitted beats the front, but for rounding
        assert any(f["complexity"] <= r[8] and f["error"] <= r[12] * (1 + 1e-8) for f in front)


def test_islands_differ_and_a_run_repeats(undisturbed: Run, tmp_path: Path) -> None:
    again = search(ISLANDS, output=tmp_path / "again", problem=three_channels)
    assert history(again.path) == history(undisturbed.path)
    best = [s.best for s in undisturbed.states]
    assert len({b.fingerprint for b in best}) > 1


@pytest.mark.parametrize("call", [2, 9, 23])
def test_a_killed_run_of_islands_resumes(call: int, undisturbed: Run, tmp_path: Path) -> None:
    def dying(config: SearchConfig):
        problem = three_channels(config)
        original = problem.evaluate

        def evaluate(requests):
            if problem.calls + 1 == call:
                raise Killed
            return original(requests)

        problem.evaluate = evaluate
        return problem

    with pytest.raises(Killed):
        search(ISLANDS, output=tmp_path / "run", problem=dying)
    done = search(resume=tmp_path / "run", problem=three_channels)
    assert history(done.path) == history(undisturbed.path)
    assert done.pareto == undisturbed.pareto


class Disordered(LocalExecutor):
    """Ends tasks in any order, as four workers of different speed would; notes islands and epochs as they end."""

    workers = 4

    def __init__(self, setup, arguments, seed: int) -> None:
        super().__init__(setup, arguments)
        self.random, self.ended = random.Random(seed), []

    def _step(self) -> None:
        self._queue.rotate(self.random.randrange(len(self._queue)))
        _, task, args = self._queue[0]
        if task is report_epoch:
            self.ended.append((args[0].state.island, args[0].state.epoch))
        super()._step()


@pytest.mark.parametrize("seed", range(3))
def test_islands_go_on_while_others_are_one_epoch_behind(
    seed: int, undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Disordered] = []

    def open_disordered(name, workers, setup, arguments, **_):
        made.append(Disordered(setup, arguments, seed))
        return made[0]

    monkeypatch.setattr("fastsfes.run.search.open_executor", open_disordered)
    run = search(ISLANDS, output=tmp_path / "run", problem=three_channels)
    assert history(run.path) == history(undisturbed.path)
    leads, done = [], [0, 0, 0]
    for island, epoch in made[0].ended:
        assert epoch == done[island]
        done[island] += 1
        leads.append(max(done) - min(done))
    assert max(leads) == 2  # two ended here, none there; never more


def first(config: SearchConfig) -> tuple[EpochResult, ...]:
    worker = set_up(config, three_channels)
    return tuple(run_found(worker, k) for k in range(config.islands))


def news_of(result: EpochResult) -> bytes:
    return report(result).news


def test_any_worker_gives_the_same_epoch_and_one_that_missed_a_round_says_so() -> None:
    founded = first(ISLANDS)[0]
    bases = news_of(founded)
    steady = set_up(ISLANDS, three_channels)
    one = run_epoch(steady, Job(founded.state, 300, 0, (bases,)))
    assert isinstance(one, EpochResult)
    later = Job(one.state, 300, 1, (news_of(one),))
    two = run_epoch(steady, later)
    late = set_up(ISLANDS, three_channels)
    assert run_epoch(late, later) == Behind(0)
    whole = Job(one.state, 300, 0, (bases, news_of(one)))
    assert run_epoch(late, whole) == two
    # a worker that is ahead of a job that comes again forgets what the island did not know
    assert run_epoch(late, Job(founded.state, 300, 0, (bases,))) == one
    # what a worker knows of one island it does not know of another
    assert run_epoch(steady, replace(later, state=replace(one.state, island=1))) == Behind(0)


def test_jobs_and_results_travel() -> None:
    founded = first(ISLANDS)[0]
    job = Job(founded.state, 300, 0, (news_of(founded),))
    worker = set_up(ISLANDS, three_channels)
    result = run_epoch(worker, pickle.loads(pickle.dumps(job)))
    assert pickle.loads(pickle.dumps(result)) == result
    assert isinstance(result, EpochResult)
    # a state is a few hundred bytes a member: nothing that was computed from the genomes travels
    assert len(pickle.dumps(result.state)) < 1000 * len(result.state.population)


def individual(number: int, complexity: int, error: float, island: int = 0) -> Individual:
    genome = prepare(SMALL).bases[0][1]
    name = f"{island}-{number}"
    return Individual(island, number, genome, name, {}, error, error, {}, complexity, error, error + complexity)


def test_front() -> None:
    members = [
        individual(0, 5, 1.0), individual(1, 5, 0.9), individual(2, 7, 0.9), individual(3, 3, 2.0),
        individual(4, 9, float("inf")), individual(5, 8, 0.1), individual(6, 6, 1.5),
    ]  # fmt: skip
    assert [m.number for m in pareto_front(members)] == [3, 1, 5]
    assert pareto_front(reversed(members)) == pareto_front(members)
    assert pareto_front(()) == ()


def state(island: int, members: Sequence[Individual]) -> IslandState:
    return IslandState(island, 1, 10, tuple(members), members[0], (members[0],), 1.0, 1, 0)


def test_migration_is_pure_and_follows_its_rules() -> None:
    islands = [state(k, [individual(n, 5 + n, 1.0, k) for n in range(4)]) for k in range(3)]
    archive = (individual(99, 1, 0.5),)
    rules = Migration(every=2, migrants=2, archive=0.0, tournament=50, population=5)

    def moving(rules: Migration, round_: int) -> list[IslandState]:
        coming = migrants(islands, archive, rules, 0, round_)
        return [receive(s, came, rules) for s, came in zip(islands, coming, strict=True)]

    assert moving(rules, 0) == islands  # not after every round
    moved = moving(rules, 1)
    assert moved == moving(rules, 1)
    for k, after in enumerate(moved):
        assert len(after.population) <= rules.population
        came = after.population[len(after.population) - 2 :]
        # a large tournament finds the best, number 0, of another island
        assert any(m.island != k and m.number == 0 for m in came)
        assert len({m.fingerprint for m in after.population}) == len(after.population)
    of_archive = moving(replace(rules, archive=1.0), 1)
    assert all(s.population[-1].number == 99 for s in of_archive)
    assert migrants(islands[:1], archive, rules, 0, 1) == ((),)
    assert moving(replace(rules, migrants=0), 1) == islands


def test_islands_start_from_different_bases_and_mix(tmp_path: Path) -> None:
    config = replace(
        SMALL, candidates=700, islands=2, base=("wb97m_v", "gas22", "lda"), max_instructions=-1, migrate_every=1
    )
    parts = prepare(config)
    assert [parts.names_of(k) for k in range(2)] == [["wb97m_v", "lda"], ["gas22"]]
    for name, genome, start in parts.bases:  # every base is what its name says, with its own parameters
        expressions = genome.expressions(parts.mutator.workspaces)
        assert expressions is not None
        if name != "lda":
            published = prepare(replace(config, base=(name,))).bases[0]
            own = published[1].expressions(prepare(replace(config, base=(name,))).mutator.workspaces)
            assert own is not None
            features = {"x2": 3.0, "w": 0.3}
            for kind in expressions:
                assert expressions[kind].evaluate(features, start[kind]) == pytest.approx(
                    own[kind].evaluate(features, published[2][kind]), rel=1e-14
                )
    run = search(config, output=tmp_path / "run", problem=three_channels)
    assert run.summary["candidates"] == 700
    origins = [{m.island for m in s.population} for s in run.states]
    assert origins != [{0}, {1}]


def test_a_base_without_instructions_is_refused() -> None:
    with pytest.raises(InputError, match="base is empty"):
        SearchConfig.make(base=())


@pytest.mark.parametrize("workers", [1, 2])
def test_the_run_does_not_depend_on_the_processes(
    workers: int, undisturbed: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "CARRIED", 0)  # of an island's families a job carries the last ones only
    config = replace(ISLANDS, executor="processes", workers=workers)
    run = search(config, output=tmp_path / "run", problem=three_channels)
    assert history(run.path) == history(undisturbed.path)
    assert run.pareto == undisturbed.pareto
    assert run.best == undisturbed.best


@pytest.mark.parametrize("count", [2, 5])
def test_migrants_come_from_every_other_island_and_never_from_the_own(count: int) -> None:
    islands = [state(k, [individual(n, 5 + n, 1.0, k) for n in range(4)]) for k in range(count)]
    rules = Migration(every=1, migrants=8, archive=0.0, tournament=2, population=50)
    came = [migrants(islands, (), rules, 0, round_) for round_ in range(20)]
    for k in range(count):
        assert {m.island for one in came for m in one[k]} == set(range(count)) - {k}
