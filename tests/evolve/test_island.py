from __future__ import annotations

import json
from dataclasses import replace

import pytest
from fake_problem import FakeProblem, b97x_problem, three_channels

from fastsfes.evolve.evaluation import Fitness, FitOutcome, FitRequest, Known
from fastsfes.evolve.island import EpochResult, IslandState, epoch, settle
from fastsfes.formula.expression import Expression
from fastsfes.formula.family import channel_dimension
from fastsfes.run.config import SearchConfig
from fastsfes.run.setup import SearchParts, prepare

SMALL = SearchConfig.make(
    dataset="builtin", candidates=400, population=20, tournament=4, generation=10, generations=3, features_x=("u", "w"),
    features_css=("u", "w"), features_cos=("u", "w"),
)  # fmt: skip


def start(parts: SearchParts, problem: FakeProblem) -> tuple[IslandState, dict[str, Known]]:
    state = settle(
        parts.bases_of(0), 0, parts.mutator.workspaces, parts.settings.rules, parts.fitness, problem.evaluate
    ).state
    return state, {state.best.fingerprint: Known(state.best.train, state.best.validation)}


def advance(
    parts: SearchParts, problem: FakeProblem, state: IslandState, known: dict[str, Known], seed: int = 1, **more: object
) -> EpochResult:
    result = epoch(
        state, known, seed, parts.settings, parts.mutator, parts.fitness, problem.evaluate, parts.defaults, **more
    )
    return result


def test_an_epoch_is_a_pure_function() -> None:
    parts, problem = prepare(SMALL), three_channels(SMALL)
    state, known = start(parts, problem)
    before = json.dumps(state.to_dict())
    copy = dict(known)
    first, second = (advance(parts, problem, state, known) for _ in range(2))
    assert first == second
    assert json.dumps(state.to_dict()) == before
    assert known == copy
    assert advance(parts, problem, state, known, seed=2).records != first.records


def test_state_survives_json_bit_for_bit() -> None:
    parts, problem = prepare(SMALL), three_channels(SMALL)
    state, known = start(parts, problem)
    state = advance(parts, problem, state, known).state
    again = IslandState.from_dict(json.loads(json.dumps(state.to_dict(), allow_nan=False)))
    assert again == state
    assert advance(parts, problem, again, known) == advance(parts, problem, state, known)


def test_known_families_are_not_fitted_again() -> None:
    parts, problem = prepare(SMALL), three_channels(SMALL)
    state, known = start(parts, problem)
    seen: list[str] = []

    def evaluate(requests: list[FitRequest]) -> list[FitOutcome]:
        seen.extend("; ".join(f"{k}={e}" for k, e in r.expressions.items()) for r in requests)
        return problem.evaluate(requests)

    for _ in range(4):
        result = epoch(state, known, 1, parts.settings, parts.mutator, parts.fitness, evaluate, parts.defaults)
        for r in result.records:
            if not r.duplicate:
                assert r.fingerprint not in known
                known[r.fingerprint] = Known(r.train, r.validation)
            elif r.fingerprint in known:
                assert (r.train, r.validation) == (known[r.fingerprint].train, known[r.fingerprint].validation)
        state = result.state
    assert len(seen) == len(known) - 1  # the base
    assert len(set(seen)) == len(seen)
    assert state.candidates == 1 + 4 * 30


def test_population_ages_and_keeps_its_size() -> None:
    parts, problem = prepare(SMALL), three_channels(SMALL)
    state, known = start(parts, problem)
    for _ in range(3):
        state = advance(parts, problem, state, known).state
        numbers = [i.number for i in state.population]
        assert numbers == sorted(numbers)
        assert len(numbers) <= SMALL.population
    assert 0 not in numbers  # the base is the oldest
    assert state.best.fitness <= min(i.fitness for i in state.population)


def test_the_limit_holds_exactly() -> None:
    parts, problem = prepare(SMALL), three_channels(SMALL)
    state, known = start(parts, problem)
    result = advance(parts, problem, state, known, limit=18)
    assert result.state.candidates == 18
    assert len(result.records) == 17


def test_a_stale_population_starts_again_from_the_base() -> None:
    config = replace(SMALL, restart=30, parameter_penalty=1.0)
    parts, problem = prepare(config), FakeProblem({"x": "1", "css": "1", "cos": "1"})  # the base is perfect
    state, known = start(parts, problem)
    for _ in range(3):
        state = advance(parts, problem, state, known).state
    assert state.restarts >= 2
    assert state.best.number == 0
    assert state.population[0].number == 0


def test_a_restart_forgets_the_record() -> None:
    """What counts as better afterwards is measured from the base, not from what has been given up."""
    parts, problem = prepare(replace(SMALL, restart=30)), three_channels(SMALL)
    state, known = start(parts, problem)
    base = min(f.fitness for f in state.founders)
    stale = replace(state, record=1e-9 * base, improved=state.candidates - 30)
    after = advance(parts, problem, stale, known, limit=state.candidates + 1).state  # one child
    assert after.restarts == state.restarts + 1
    assert after.record == base
    assert after.improved == after.candidates


@pytest.mark.parametrize("rejoin", [False, True])
def test_known_families_may_come_back_once_they_have_gone(rejoin: bool) -> None:
    config = replace(SMALL, rejoin=rejoin)
    parts, problem = prepare(config), three_channels(config)
    state, known = start(parts, problem)
    again = state  # as after a restart
    result = advance(parts, problem, state, known)
    old = {r.fingerprint for r in result.records if not r.duplicate}
    known |= {r.fingerprint: Known(r.train, r.validation) for r in result.records if not r.duplicate}
    after = advance(parts, problem, again, known).state  # the same random numbers: the same first children
    back = [m for m in after.population if m.fingerprint in old]
    assert bool(back) == rejoin
    assert len({m.fingerprint for m in back}) == len(back)
    for member in back:
        assert (member.train, member.validation) == (
            known[member.fingerprint].train,
            known[member.fingerprint].validation,
        )


def test_limits_on_size_are_kept() -> None:
    config = replace(SMALL, max_parameters=2, max_complexity=14)
    parts, problem = prepare(config), three_channels(config)
    state, known = start(parts, problem)
    for _ in range(3):
        result = advance(parts, problem, state, known)
        for r in result.records:
            if not r.duplicate:
                assert r.complexity <= 14
                assert sum(channel_dimension(Expression.parse(t)) for t in r.expressions.values()) <= 2
        state = result.state


def test_fitness_is_linear_and_never_nan() -> None:
    fitness = Fitness(0.25, 0.75, 0.1, 0.01)
    assert fitness(Known(4.0, 8.0), 3, 10) == pytest.approx(1.0 + 6.0 + 0.3 + 0.1)
    assert fitness.error(Known(4.0, 8.0)) == 7.0
    assert fitness(Known(float("nan"), 1.0), 0, 0) == float("inf")
    assert Fitness(0.0, 1.0)(Known(float("inf"), 2.0), 0, 0) == 2.0
    graded = Fitness(1.0, 0.0, weights={"grid": 10.0, "unused": 0.0})
    assert graded(Known(2.0, 3.0, {"grid": 0.1}), 0, 0) == pytest.approx(3.0)
    assert graded(Known(2.0, 3.0), 0, 0) == float("inf")  # a term that counts is missing


def test_b97_exchange_is_found_from_nothing() -> None:
    config = SearchConfig.make("b97x")
    parts, problem = prepare(config), b97x_problem(config)
    state, known = start(parts, problem)
    while state.best.fitness > 1e-6 and state.candidates < config.candidates:
        result = advance(parts, problem, state, known, limit=config.candidates)
        for r in result.records:
            if not r.duplicate:
                known.setdefault(r.fingerprint, Known(r.train, r.validation))
        state = result.state
    assert state.best.fitness < 1e-6
    assert max(len(c.instructions) for c in state.best.genome.channels.values()) <= 4
