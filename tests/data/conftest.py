import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from helpers import QUICK, small_contents

from fastsfes.datasets.production import build_dataset


@pytest.fixture(scope="session")
def small_file(tmp_path_factory):
    """A dataset file with densities of H, H2 and stretched H2; tests copy it before they change it."""
    folder = tmp_path_factory.mktemp("small")
    result = build_dataset(small_contents(), folder / "small.h5", settings=QUICK)
    assert not result.failed
    assert not result.unconverged
    return folder / "small.h5"
