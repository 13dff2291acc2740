"""A kernel cache of the tests' own, so that they neither read nor leave kernels elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastsfes import _core


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTSFES_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        _core.jit_reset()
        yield
    _core.jit_reset()
