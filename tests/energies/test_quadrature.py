"""The quadrature of a dataset: measured errors, levels, storage, problems."""

import shutil
import tracemalloc
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_quadrature import build_small, functional

import fastsfes as fs
from fastsfes import Dataset, FastsfesError, InputError, Quadrature
from fastsfes.datasets import HARTREE_TO_KCAL
from fastsfes.energies.evaluate import grid_energies
from fastsfes.energies.frame import frame_of
from fastsfes.energies.quadrature import (
    LADDERS,
    LEVELS,
    PANEL,
    NodeGrid,
    NotRepresentable,
    build_quadrature,
    channel_key,
    kept,
    list_quadratures,
    measured_expressions,
    parse_channel_key,
    save_quadrature,
    worst_error,
)
from fastsfes.energies.quadrature.measure import SparseRow, SpeciesMeasure
from fastsfes.energies.quadrature.scratch import Measures
from fastsfes.fitting import FitProblem

CHANNELS = {"x": "x@0.3", "css": "css", "cos": "cos"}


def test_every_packaged_density_has_a_row(builtin, stored):
    assert set(stored.species) == {builtin.representative(name) for name in builtin.density_names}


REGISTERED_SINCE = ("revpbe_x", "revpbe", "wb97x_v", "b97m_v")
"""Functionals that the packaged quadratures were not measured with; they will be when these are built again."""


def test_the_stored_errors_keep_the_tolerance(stored):
    for rule in stored.channels.values():
        assert set(rule.levels) == set(LEVELS)
        for level in ("full", "reduced"):
            # A third for each of the three channels that an energy has.
            assert worst_error(rule, level) <= stored.tolerance / 3
            # Every form was measured; a functional registered since may share the form of one that was.
            measured = dict(measured_expressions(parse_channel_key(rule.key)[0], rule.grid.features))
            labels = set(rule.errors[level])
            assert labels <= set(measured)
            missing = {str(e) for e in measured.values()} - {str(measured[label]) for label in labels}
            assert missing <= {str(measured[name]) for name in REGISTERED_SINCE if name in measured}
    assert stored.tolerance == 1e-3


@pytest.mark.parametrize("name", ["wb97m_v", "gas22", "b97"])
def test_stored_errors_are_true(builtin, stored, name):
    """Against the integration grid, evaluated through the whole functional (another path than the build's)."""
    named = fs.get_functional(name).with_frame(frame_of(builtin))
    row = {species: k for k, species in enumerate(stored.species)}
    chosen = sorted(stored.species, key=lambda s: (len(builtin.species[s].symbols), s))[::25]
    truth = grid_energies([named], builtin, chosen)[0]
    for level in LEVELS:
        energies = stored.energies(named, level)
        for species, exact in zip(chosen, truth, strict=True):
            k = row[species]
            found = HARTREE_TO_KCAL * (energies[k] - exact)
            said = sum(stored.rule(key).errors[level][name][k] for key in CHANNELS.values())
            # Errors are stored in single precision; energies of 1e5 kcal/mol carry rounding of 1e-8.
            assert found == pytest.approx(said, rel=1e-5, abs=2e-7)


def estimated_error(quadrature, probe):
    """Of the level "reduced", kcal/mol per species: its differences from the coarse one in each channel, added up."""
    total = 0.0
    for kind, key in quadrature.keys(probe).items():
        channel, rule = probe.channels[kind], quadrature.rule(key)
        fine, coarse = (
            rule.level(level).energies(channel.expression, channel.parameters) for level in ("reduced", "coarse")
        )
        total = total + HARTREE_TO_KCAL * np.abs(fine - coarse)
    return total


def test_levels_are_nested(stored):
    for rule in stored.channels.values():
        sets = [{row.tobytes() for row in rule.level(level).nodes} for level in LEVELS]
        assert sets[2] < sets[1] < sets[0]


def test_reduced_and_full_agree_on_a_function_outside_the_panel(builtin, stored):
    probe = functional(
        x=("1 + a*tanh(b*w)*u(x2, g)", {"a": 0.3, "b": 0.7, "g": 0.013}), css=("a*sqrt(1 + x2/(1 + x2))", {"a": 0.2})
    )
    probe = probe.with_frame(frame_of(builtin))
    difference = HARTREE_TO_KCAL * (stored.energies(probe) - stored.energies(probe, "reduced"))
    assert np.abs(difference).max() < 1e-4
    # For a single species the estimate can pass through zero; what counts is its largest value.
    assert np.abs(difference).max() <= estimated_error(stored, probe).max()


def test_the_estimate_recognises_a_steep_step(builtin, stored):
    step = functional(x="tanh(20*(w - 0.2))").with_frame(frame_of(builtin))
    difference = HARTREE_TO_KCAL * np.abs(stored.energies(step) - stored.energies(step, "reduced"))
    assert difference.max() > 1.0  # a reduced rule must not be used for it
    assert estimated_error(stored, step).max() > 0.3 * difference.max()


@pytest.mark.parametrize("level", LEVELS)
def test_problem_energies_are_those_of_evaluate(builtin, stored, level):
    gas22 = fs.get_functional("gas22")
    problem = stored.problem(builtin, CHANNELS, level=level)
    errors = -problem.target.copy()
    for kind, channel in problem.channels.items():
        term = gas22.channels[kind]
        assert channel.matrix.flags.c_contiguous
        assert channel.matrix.dtype == np.float64
        errors += channel.matrix @ term.expression.evaluate(
            {name: channel.values[name] for name in term.expression.features}, term.parameters
        )
    for split, rows in problem.splits.items():
        evaluation = fs.evaluate(gas22, builtin, split, level=level)
        # Energies of 1e6 kcal/mol are added in another order.
        np.testing.assert_allclose(errors[rows], evaluation.errors, rtol=0, atol=1e-7)
        assert np.sqrt(np.mean(problem.weights[rows] * errors[rows] ** 2)) == pytest.approx(evaluation.wrmsd, abs=1e-7)
    assert [r.name for r in problem.reactions] == [r.name for r in builtin.available]


def test_the_estimator_of_a_problem_is_a_subset_of_its_nodes(builtin, stored):
    problem = stored.problem(builtin, CHANNELS)
    for kind, channel in problem.channels.items():
        coarse = stored.rule(CHANNELS[kind]).level("coarse")
        for name, values in coarse.values.items():
            np.testing.assert_array_equal(channel.values[name][channel.coarse_nodes], values)
        assert channel.coarse_matrix.shape == (len(problem.reactions), len(coarse))


def test_what_the_nodes_do_not_know_is_said(stored):
    with pytest.raises(NotRepresentable, match='channel "one"'):
        stored.energies(fs.get_functional("pbe"))
    with pytest.raises(NotRepresentable, match='no feature "rho"'):
        stored.energies(functional("f", fs.Hybrid(0.3, 0.15, 1.0), x="rho*x2"))
    with pytest.raises(NotRepresentable, match=r"x@0\.4"):
        stored.energies(functional("f", fs.Hybrid(0.4, 0.15, 1.0), x="1"))
    with pytest.raises(InputError, match="level"):
        stored.rule("cos").level("finest")


@pytest.mark.parametrize("kind", ["x", "cos"])
def test_derived_features(stored, kind):
    nodes = stored.rule(CHANNELS[kind]).level("full")
    with np.errstate(divide="ignore"):
        for text, other in (
            ("x**2", "x2"),
            ("s2", "x2/(4*(6*3.141592653589793**2)**(2/3))"),
            ("t/(1 + t)", "0.5*(1 + w)"),
        ):
            a, b = (nodes.evaluate(fs.Expression.parse(x)) for x in (text, other))
            good = np.isfinite(a)
            assert good.sum() > 0.9 * len(nodes)
            np.testing.assert_allclose(a[good], b[good], rtol=1e-14)


def test_storage_returns_every_bit(small_file, tmp_path):
    dataset = Dataset.open(small_file)
    built = build_small(dataset)
    path = tmp_path / "copy.h5"
    shutil.copy(small_file, path)
    save_quadrature(path, built)
    save_quadrature(path, build_small(dataset, name="second", channels=("cos",), reduce=False))
    assert list_quadratures(path) == ["default", "second"]
    read = Quadrature.load(Dataset.open(path))
    assert (read.species, read.integration_grid, read.tolerance) == (built.species, "level 0", 1.0)
    for key, rule in built.channels.items():
        assert read.rule(key).grid == rule.grid
        for level, nodes in rule.levels.items():
            np.testing.assert_array_equal(read.rule(key).level(level).matrix, nodes.matrix)
            np.testing.assert_array_equal(read.rule(key).level(level).nodes, nodes.nodes)
    # Densities are still there.
    assert Dataset.open(path).verify() == {}


def test_processes_do_not_change_a_bit(small_file):
    dataset = Dataset.open(small_file)
    one, two = build_small(dataset, channels=("css",)), build_small(dataset, channels=("css",), processes=2)
    for level in one.rule("css").levels:
        np.testing.assert_array_equal(one.rule("css").level(level).matrix, two.rule("css").level(level).matrix)


def test_refinement_stops_at_the_first_grid_that_is_good_enough(small_file):
    lines = []
    made = build_small(Dataset.open(small_file), channels=("cos",), tolerance=1e-1, report=lines.append)
    assert made.rule("cos").grid.axes[0].nodes == 96
    assert sum("active nodes" in line for line in lines) == 2
    assert (
        build_small(Dataset.open(small_file), channels=("cos",), tolerance=100.0).rule("cos").grid.axes[0].nodes == 40
    )


def test_a_tolerance_that_cannot_be_met(small_file):
    with pytest.raises(FastsfesError, match=r"leaves an error of .* kcal/mol per species"):
        build_small(Dataset.open(small_file), tolerance=1e-9, channels=("cos",))


def test_two_grids_on_the_same_nodes(small_file):
    """The grid sensitivity of a candidate is one more product; the first nodes are the same."""
    dataset = Dataset.open(small_file)
    ladder = (NodeGrid.make({"x2": 128, "w": 48}, 7),)
    coarse = build_small(dataset, ladder=ladder, tolerance=1e-2, reduce=False)
    fine = build_small(dataset, name="level1", integration_grid="level 1", like=coarse)
    probe = functional(x="1 + u(x2, 0.004)", cos="1 + w").with_frame(frame_of(dataset))
    found = fine.energies(probe) - coarse.energies(probe)
    truth = [grid_energies([probe], dataset, coarse.species, grid=g)[0] for g in ("level 0", "level 1")]
    for key in ("x@0.3", "cos"):
        shared = coarse.rule(key).level("full").nodes
        np.testing.assert_array_equal(fine.rule(key).level("full").nodes[: len(shared)], shared)
    assert np.abs(truth[1] - truth[0]).max() > 1e-6
    # Each rule is within 1e-2 kcal/mol = 1.6e-5 hartree of its grid, for these functions far closer.
    np.testing.assert_allclose(found, truth[1] - truth[0], rtol=0, atol=2e-6)


@pytest.mark.parametrize(
    ("axes", "text"),
    [
        ("x2", "1 + 0.2*log1p(0.3*x2)/(1 + 0.01*x2)"),
        ("u", "1 + 0.2*sqrt(u(x2, 0.01)) - 0.1*exp(-0.05*x2)"),
        ("rho,x2,w", "1 + u(x2, 0.01)*cbrt(rho)/(0.4 + cbrt(rho)) + 0.1*w/(1 + sqrt(rho))"),
    ],
)
def test_other_nodes_keep_the_default_tolerance(small_file, axes, text):
    """All registered functionals and the panel, and a function outside of it against the grid."""
    dataset = Dataset.open(small_file)
    flat = axes != "rho,x2,w"  # a reduction of tens of thousands of nodes takes minutes
    made = build_small(dataset, channels=("x@0.3",), ladder=LADDERS[axes], tolerance=1e-3, reduce=flat)
    rule = made.rule("x@0.3")
    assert rule.level("full").features == (("x2",) if flat else ("rho", "x2", "w"))
    assert len(rule.errors["full"]) > (10 if flat else 25)
    probe = functional(x=text).with_frame(frame_of(dataset))
    truth = grid_energies([probe], dataset, made.species, grid="level 0")[0]
    for level in ("full", "reduced") if flat else ("full",):
        assert worst_error(rule, level) <= 1e-3 / 3
        assert HARTREE_TO_KCAL * np.abs(made.energies(probe, level) - truth).max() < 1e-3
    assert len(rule.level("reduced" if flat else "full")) < (200 if flat else 40_000)


def test_functionals_of_rho_are_evaluated_and_fitted_on_nodes_in_rho(small_file, tmp_path):
    path = tmp_path / "rho.h5"
    shutil.copy(small_file, path)
    ladder = (NodeGrid.make({"rho": 28, "x2": 64, "w": 16}, 6),)
    made = build_small(Dataset.open(path), name="rho", channels=("x@0.3",), ladder=ladder, reduce=False, tolerance=10.0)
    save_quadrature(path, made)
    dataset = Dataset.open(path)
    split = dataset.available[0].split
    probe = functional(x=("1 + a*u(x2, 0.01)*cbrt(rho)/(b + cbrt(rho))", {"a": 0.2, "b": 0.4}))
    on_nodes = fs.evaluate(probe, dataset, split, quadrature="rho")
    assert on_nodes.method == "quadrature"
    truth = grid_energies([probe.with_frame(frame_of(dataset))], dataset, made.species, grid="level 0")[0]
    found = made.energies(probe.with_frame(frame_of(dataset)))
    # What these few nodes give.
    assert HARTREE_TO_KCAL * np.abs(found - truth).max() < 0.05
    targets = dict.fromkeys((r.name for r in dataset.reactions), 0.0)
    problem = FitProblem.from_dataset(dataset, ("x",), splits=[split], level="full", quadrature="rho", targets=targets)
    (fitted,) = problem.fit([probe])
    assert fitted.linear == ("x.a",)
    assert fitted.losses[split] < problem.loss(probe, split)
    with pytest.raises(NotRepresentable, match='no feature "rho"'):
        Quadrature.load(dataset).energies(probe.with_frame(frame_of(dataset)))


def test_memory_stays_flat_however_many_species_there_are(tmp_path):
    """Rows of 2,000 species are 320 MB; what is held grows by a hundredth of that."""
    grid, rng = NodeGrid.make({"x2": 128, "w": 96}, 7), np.random.default_rng(0)
    index = np.sort(rng.permutation(grid.core().size)[:10_000])
    values = rng.normal(size=index.size)
    peaks = []
    for species in (20, 2000):
        tracemalloc.start()
        with Measures({"cos": [grid]}, tmp_path) as measures:
            for k in range(species):
                row = SparseRow(index, values * k)
                measures.append(SpeciesMeasure({"cos": [row]}, {"cos": np.zeros(9)}, {"cos": 1}, 1))
            matrix = measures.matrix("cos", 0, index)
        assert matrix.shape == (species, index.size)
        np.testing.assert_allclose(matrix[-1], values * (species - 1), rtol=0, atol=2.0**-43)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 3.2e6
    assert list(tmp_path.iterdir()) == []  # nor is anything left behind by a build that is killed


def test_positions_of_nodes_do_not_depend_on_their_last_bits():
    for name, ladder in LADDERS.items():
        grid = ladder[0]
        chosen = np.random.default_rng(1).permutation(grid.core().size)[:500]
        nodes = grid.core().features()[chosen]
        for factor in (1.0, 1.0 + 1e-15, 1.0 - 1e-15):
            np.testing.assert_array_equal(grid.positions(nodes * factor), chosen, err_msg=name)


def test_keys():
    for key in ("x", "x@0.3", "css", "cos:pw92", "c"):
        assert channel_key(*parse_channel_key(key)) == key
    assert channel_key("cos", 0.3) == "cos"
    with pytest.raises(InputError, match="x@fast"):
        parse_channel_key("x@fast")


def test_the_panel_has_roots_logarithms_exponentials_and_poles():
    text = " ".join(PANEL)
    for part in ("sqrt(", "cbrt(", "log1p(", "exp(", "1/("):
        assert part in text


def damage(part):
    def matrix(group):
        group["cos/full/matrix"].attrs["unit"] = np.nan

    def shape(group):
        del group["cos/full/nodes"]
        group["cos/full/nodes"] = np.zeros((3, 2))

    def missing(group):
        del group["cos/full"]

    def axes(group):
        group["cos"].attrs["axes"] = '[{"feature": "w"}]'

    def text(group):
        group.attrs["channels"] = "not JSON"

    def newer(group):
        group.attrs["version"] = 99

    return locals()[part]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("matrix", "channel cos, level full"),
        ("shape", "channel cos, level full"),
        ("missing", "channel cos has no full nodes"),
        ("axes", "channel cos: the axes of the nodes are damaged"),
        ("text", "not valid JSON"),
        ("newer", "version 99"),
    ],
)
def test_damage_names_file_and_record(small_file, tmp_path, part, message):
    path = tmp_path / "damaged.h5"
    shutil.copy(small_file, path)
    with h5py.File(path, "r+") as file:
        damage(part)(file["quadrature/default"])
    with pytest.raises(FastsfesError, match=message) as caught:
        Quadrature.load(Dataset.open(path))
    assert "damaged.h5" in str(caught.value)


def test_absent_quadratures(small_file):
    with pytest.raises(InputError, match=r'quadrature "other" is not there \(the file has: default\)'):
        Quadrature.load(Dataset.open(small_file), "other")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": 0.0}, "must be positive"),
        ({"processes": 0}, "at least 1 is needed"),
        ({"channels": ("q",)}, 'channel "q" is unknown'),
        ({"species": ("unobtainium",)}, "unobtainium"),
        ({"ladder": (NodeGrid.make({"x2": 3}, 5),)}, "needs at least 6 nodes"),
    ],
)
def test_bad_arguments(small_file, options, message):
    with pytest.raises(InputError, match=message):
        build_small(Dataset.open(small_file), **options)


def test_a_build_that_was_ended_goes_on_from_its_work_folder(builtin, tmp_path, monkeypatch):
    """Every species is measured once, damaged files again, and the result has the same bits."""
    species = ("g2_H", "g2_H2", "g2_He")
    species = tuple(name for name in species if name in builtin.density_names)
    settings = {"species": species, "channels": ("css",), "ladder": LADDERS["x2"], "reduce": False}
    plain = build_quadrature(builtin, **settings)
    made = []
    real = kept.measure_species
    monkeypatch.setattr(kept, "measure_species", lambda *given: made.append(1) or real(*given))
    work = tmp_path / "work"
    for expected in (len(species), 0):
        made.clear()
        found = build_quadrature(builtin, work=work, **settings)
        assert len(made) == expected
        for level, nodes in plain.rule("css").levels.items():
            np.testing.assert_array_equal(found.rule("css").level(level).matrix, nodes.matrix)
            for label, errors in plain.rule("css").errors[level].items():
                np.testing.assert_array_equal(found.rule("css").errors[level][label], errors)
    damaged = sorted(work.glob("*.h5"))[0]
    damaged.write_bytes(damaged.read_bytes()[:500])
    build_quadrature(builtin, work=work, **settings)
    assert len(made) == 1
    # Another grid of integration is another measure.
    build_quadrature(builtin, work=work, integration_grid="level 1", **settings)
    assert len(made) == 1 + len(species)


def test_weights_are_stored_to_the_last_bit(tmp_path: Path) -> None:
    """Multiples of a power of two as integers, others as they are."""
    from fastsfes.energies.quadrature.storage import _read_matrix, _write_matrix

    rng = np.random.default_rng(5)
    rounded = np.round(rng.normal(size=(7, 30)) * 2.0**43) * 2.0**-43
    wide = np.array([[1e-30, 3.0]])
    empty = np.zeros((2, 3))
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        for k, matrix in enumerate((rounded, wide, empty)):
            _write_matrix(file.create_group(f"level{k}"), matrix)
            np.testing.assert_array_equal(_read_matrix(file, f"level{k}"), matrix)
        assert file["level0/matrix"].dtype == np.int64
        assert file["level1/matrix"].dtype == np.float64
