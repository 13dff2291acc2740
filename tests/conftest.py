"""Fixtures that several test folders share."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Tests compare bits and counts, not speed: one thread, so that several test processes do not fight for cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples in every run; `pytest --hypothesis-profile=default` draws others.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Give the tests a folder of datasets of their own, whose readings of sealed splits count nowhere, and Ctrl-C."""
    folder = tempfile.TemporaryDirectory(prefix="fastsfes-tests-")
    config.add_cleanup(folder.cleanup)
    os.environ["FASTSFES_DATA"] = folder.name
    # Jobs in the background ignore Ctrl-C, and their children inherit that; tests press it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of the shared reference data: FASTSFES_SHARED, or ../shared beside the checkout."""
    candidates = [Path(__file__).resolve().parents[2] / "shared"]
    if "FASTSFES_SHARED" in os.environ:
        candidates.insert(0, Path(os.environ["FASTSFES_SHARED"]))
    for folder in candidates:
        if (folder / "mgcdb84").is_dir():
            return folder
    pytest.skip("the shared reference data are absent (set FASTSFES_SHARED)")


@pytest.fixture(scope="session")
def mgcdb84(shared: Path) -> Path:
    """Folder of MGCDB84 with densities and reference numbers."""
    return shared / "mgcdb84"


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset file with densities of H, H2 and stretched H2; tests copy it before they change it."""
    from hydrogens import QUICK, small_contents

    from fastsfes.datasets.production import build_dataset

    path = tmp_path_factory.mktemp("small") / "small.h5"
    result = build_dataset(small_contents(), path, settings=QUICK)
    assert not result.failed
    assert not result.unconverged
    return path


@pytest.fixture(scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A kernel cache of the tests' own, so that they neither read nor leave kernels elsewhere."""
    from fastsfes import _core

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTSFES_CACHE_DIR", str(tmp_path_factory.mktemp("kernels")))
        _core.jit_reset()
        yield
    _core.jit_reset()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system in memory; called with mount options it is mounted, or mounted anew."""
    if os.geteuid() != 0:
        pytest.skip("file systems can be mounted by root only")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        again = ["-o", f"remount,{options}"] if mounted else ["-t", "tmpfs", "-o", options, "tmpfs"]
        done = subprocess.run(["mount", *again, str(folder)], capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
        mounted = True
        return folder

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)
