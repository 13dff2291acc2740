from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fastsfes as fs
from fastsfes import InputError
from fastsfes.cli.search import make_config
from fastsfes.common.options import add_arguments, given_arguments, markdown, options, split_names
from fastsfes.run.config import PRESETS, SearchConfig
from fastsfes.run.setup import parse_features, prepare


@pytest.mark.parametrize("preset", [p for p in PRESETS if p != "points"])
def test_presets_round_trip_through_toml_and_can_be_prepared(preset: str, tmp_path: Path) -> None:
    config = SearchConfig.make(preset, seed=7)
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml())
    assert SearchConfig.from_toml(path) == config
    prepare(config)


def test_every_option_is_on_the_command_line_in_toml_and_described(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, SearchConfig)
    text = {
        "int": "2", "float": "0.5", "names": "x,css", "pool": "add=1,mul=2", "text": "x",
    }  # fmt: skip
    table = markdown(SearchConfig)
    for row in options(SearchConfig):
        assert len(row.help) > 10
        assert f"`{row.flag}`" in table
        assert f"`{row.name}`" in table
        arguments = [row.flag] if row.kind == "bool" else [row.flag, row.choices[0] if row.choices else text[row.kind]]
        assert set(given_arguments(SearchConfig, parser.parse_args(arguments))) == {row.name}
    assert given_arguments(SearchConfig, parser.parse_args([])) == {}


def test_the_command_line_and_toml_give_the_same(tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, SearchConfig)
    line = [
        "--seed", "3", "--features-x", "u = u(x2, 0.004),w",
        "--instruction-pool", "add=1,MultiplicationInstruction=0.5",
        "--keep-duplicates", "--parameter-penalty", "1e-3",
    ]  # fmt: skip
    by_line = make_config(None, given_arguments(SearchConfig, parser.parse_args(line)))
    path = tmp_path / "a.toml"
    path.write_text(
        'seed = 3\n[form]\nfeatures_x = ["u = u(x2, 0.004)", "w"]\n'
        "[mutation]\ninstruction_pool = {add = 1, MultiplicationInstruction = 0.5}\n"
        "[evolution]\nkeep_duplicates = true\n[fitness]\nparameter_penalty = 1e-3\n"
    )
    assert make_config(str(path), {}) == by_line
    assert make_config(str(path), {"seed": 4}).seed == 4


def test_targets_b97x_alone_means_the_preset() -> None:
    assert make_config(None, {"targets": "b97x"}) == SearchConfig.make("b97x")
    assert make_config(None, {"targets": "b97x", "preset": "quickstart"}).base == ("lda",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("populatoin = 3", 'no option "populatoin"; did you mean "population"'),
        (
            "[evolution]\npopulation = 'many'",
            r"\[evolution\]: population = 'many'; expected a whole number of at least 2",
        ),
        ("[evolution]\npopulation = 1", "expected a whole number of at least 2"),
        ("population = 2.5", "expected a whole number"),
        ("population = true", "expected a whole number"),
        ("keep_duplicates = 1", "expected true or false"),
        ("channels = ['x', 'z']", 'contains "z"; expected any of x, css, cos'),
        ("channels = ['x', 'x']", "each once"),
        ("instruction_pool = {squaer = 1}", 'no instruction "squaer"; did you mean "square"'),
        ("mutation_pool = {twist = 1}", 'no mutation "twist"'),
        ("instruction_pool = {add = 'x'}", "a finite number as the weight"),
        ("channels = ['x']\nchannel_pool = {cos = 1}", '"cos" is not searched'),
        ("preset = 'slow'", 'preset "slow" is unknown'),
        ("population = 3\n[evolution]\npopulation = 3", "given twice"),
        ("train_coefficient = 0\nvalidation_coefficient = 0", "both 0"),
        ("seed = ", "not valid TOML"),
        ("parameter_penalty = nan", "expected a number"),
    ],
)
def test_bad_files_get_one_clear_sentence(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        SearchConfig.from_toml(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.toml: no such file"):
        SearchConfig.from_toml(tmp_path / "absent.toml")


def test_names_split_outside_parentheses() -> None:
    assert split_names("u = u(x2, g), w,") == ("u = u(x2, g)", "w")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("q", '"q" is not a feature of channel x'),
        ("v = zeta", 'has no feature "zeta"'),
        ("u = u(x2", "features_x: "),
        ("1 = w", "is not a feature"),
    ],
)
def test_bad_features_are_named(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_features("x", SearchConfig.make(features_x=[text]))


def test_bases() -> None:
    for base, expected in (("empty", "0"), ("lda", "1")):
        parts = prepare(SearchConfig.make(base=base))
        found = parts.bases[0][1].expressions(parts.mutator.workspaces)
        assert found is not None
        assert {str(e) for e in found.values()} == {expected}
    parts = prepare(SearchConfig.make(base="wb97m_v", max_instructions=-1, parameters=2))
    assert parts.bases[0][1].expressions(parts.mutator.workspaces) is not None
    assert parts.defaults["x"]["c1"] == 1.007
    with pytest.raises(InputError, match="base: functional"):
        prepare(SearchConfig.make(base="wb97m-w"))
    with pytest.raises(InputError, match="max_instructions"):
        prepare(SearchConfig.make(base="wb97m_v", max_instructions=3))


def test_random_bases() -> None:
    """Random lists follow from the seed and the place; factors are not 0 and keep the limits and rules."""

    def drawn(seed: int, **options: Any) -> list[dict[str, str]]:
        parts = prepare(SearchConfig.make(seed=seed, base=("random:8", "lda", "random:8", "random"), **options))
        found = []
        for _, genome, _ in parts.bases:
            parts.mutator.check(genome)
            factors = genome.expressions(parts.mutator.workspaces)
            assert factors is not None
            found.append({kind: str(factor.simplify()) for kind, factor in factors.items()})
        return found

    first = drawn(1)
    assert first == drawn(1)
    assert first != drawn(2)
    assert first[1] == dict.fromkeys(("x", "css", "cos"), "1")
    assert first[0] != first[2]
    assert all(set("cuw") & set(text) for base in (first[0], first[2], first[3]) for text in base.values())
    without = drawn(1, instruction_pool={"add": 1, "exp": 1}, operator_limits={"exp": 0})
    # exp(c0) is a parameter
    assert not any(re.search(r"exp\([^)]*[uw]", text) for base in without for text in base.values())
    for base, message in (("random:0", "expected random:N"), ("random:13", "max_instructions = 12")):
        with pytest.raises(InputError, match=message):
            prepare(SearchConfig.make(base=base))
    with pytest.raises(InputError, match="keep the rules"):
        prepare(SearchConfig.make(base="random:1", instruction_pool={"exp": 1}, operator_limits={"exp": 0}))


def test_pools_of_syfes(tmp_path: Path) -> None:
    """JSON files of names and probabilities, and SyFES's names of instructions and mutations."""
    file = tmp_path / "pool.json"
    file.write_text('{"AdditionInstruction": 0.25, "MultiplicationInstruction": 0.75}')
    mutations = {"insert_instruction": 0.5, "remove_instruction": 0.2, "replace_instruction": 0.2, "change_argument": 1}
    for given in (file, str(file)):
        config = SearchConfig.make(instruction_pool=given, mutation_pool=mutations)
        assert config.instructions().weights == {"add": 0.25, "mul": 0.75}
        assert config.mutations().weights == {"insert": 0.5, "remove": 0.2, "replace": 0.2, "change_argument": 1.0}
        assert SearchConfig.from_text(config.to_toml(), "config.toml") == config  # the file is no longer needed
    file.write_text('["add", 1]')
    for wrong in (file, tmp_path / "absent.json"):
        with pytest.raises(InputError, match=r"absent.json: no such file|names with weights"):
            SearchConfig.make(instruction_pool=wrong)


def test_objects_stand_for_their_names(tmp_path: Path) -> None:
    b97, own = fs.get_functional("b97"), fs.get_functional("b97").with_parameters({"x.c0": 0.8100000000000001})
    make = SearchConfig.make
    assert make(base=b97).base == ("b97",)
    assert make(targets=b97).targets == "b97"
    (text,) = make(base=own).base
    assert fs.load(text).with_frame(own.frame).channels == own.channels
    assert fs.load(text).frame == own.frame
    assert make(base=["lda", own]).base == ("lda", text)
    assert SearchConfig.from_text(make(base=[own]).to_toml(), "written").base == (text,)
    assert make(dataset=fs.Dataset.open("builtin")).dataset == "builtin"
    assert make(dataset=Path("x.h5"), base=Path("y.json")).base == ("y.json",)
    assert make(seed=np.int64(3), candidates=np.float64(1e4)).candidates == 10000
    assert make(constraints="0 <= f_x <= 1.804", instruction_pool=["add", "exp"]).instruction_pool == {
        "add": 1,
        "exp": 1,
    }
    assert make(seed=2**128 - 1).seed == 2**128 - 1
    assert SearchConfig(seed=np.int32(5), base="wb97m_v").base == ("wb97m_v",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"candiates": 10}, 'there is no option "candiates"; did you mean "candidates"'),
        ({"seed": None}, "expected a whole number of at least 0"),
        ({"seed": 2**128}, "at most 128 bits"),
        ({"seed": True}, "expected a whole number"),
        ({"seed": 1.5}, "expected a whole number"),
        ({"base": 7}, "expected a list of names"),
        ({"instruction_pool": {"add": -1}}, 'the weight of "add" is -1'),
        ({"instruction_pool": {"add": 0}}, "no name has a weight above 0"),
        ({"time_limit": float("nan")}, "expected a number of at least 0"),
        ({"channels": ["y"]}, "needs --points FILE"),
        ({"points": "a.csv", "targets": "b97x"}, "points and targets are both given"),
    ],
)
def test_mistakes_get_a_sentence(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SearchConfig.make(**options)


def test_what_stands_for_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("seed = 4\n")
    assert SearchConfig.of("b97x", seed=1) == SearchConfig.make("b97x", seed=1)
    assert SearchConfig.of({"preset": "b97x", "seed": 1}) == SearchConfig.make("b97x", seed=1)
    assert SearchConfig.of(path) == SearchConfig.of(str(path)) == SearchConfig.make(seed=4)
    assert SearchConfig.of(SearchConfig.make(seed=2), candidates=9) == SearchConfig.make(seed=2, candidates=9)
    with pytest.raises(InputError, match="expected a SearchConfig, a dict of options, a TOML file or a preset"):
        SearchConfig.of("quickest")
    with pytest.raises(InputError, match='progress is "bar"'):
        fs.search(seed=1, output=tmp_path / "run", progress="bar")


def test_only_public_names_are_offered() -> None:
    assert dir(fs) == sorted(fs.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        print(fs.nonsense)  # type: ignore[attr-defined]
