"""One spelling of names, wherever people read them."""

from __future__ import annotations

import pytest

import fastsfes as fs
from fastsfes.analysis.score import published_scores
from fastsfes.functionals.names import DISPLAY_NAMES, display_name, in_words, refitted


def test_every_registered_functional_has_a_name_to_show() -> None:
    assert set(DISPLAY_NAMES) == set(fs.list_functionals())
    assert len(set(DISPLAY_NAMES.values())) == len(DISPLAY_NAMES)
    for name in DISPLAY_NAMES.values():
        assert name.isascii()


@pytest.mark.parametrize("name", ["wb97m_v", "wb97x_v"])
def test_it_is_the_name_in_published_tables(name: str) -> None:
    assert any(method.startswith(display_name(name)) for method in published_scores())


def test_what_is_not_registered_keeps_its_name() -> None:
    assert display_name("quickstart-0") == "quickstart-0"
    assert (display_name("scan"), display_name("libxc:scan")) == ("SCAN", "SCAN (libxc)")
    assert display_name("libxc:gga_x_b88") == "libxc:gga_x_b88"
    assert refitted(display_name("gas22")) == "GAS22, refitted"
    assert in_words("cross_validation_worst_type") == "cross-validation worst type"
