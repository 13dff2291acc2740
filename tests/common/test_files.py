"""Files of results: the old or the new one, whatever happens, and nothing outside the folder."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

from fastsfes import InputError
from fastsfes.common import files
from fastsfes.common.files import WriteError, check_output, open_inside, user_path, write_output, write_text, written
from fastsfes.common.reading import shaped
from fastsfes.datasets.storage import open_dataset_file

WRITE = os.O_WRONLY | os.O_CREAT | os.O_APPEND


@pytest.fixture(autouse=True)
def afresh() -> None:
    """What a process has swept once it does not sweep again."""
    files._sweep.cache_clear()


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "run").mkdir()
    for name in ("best.json", "best.json.tmp"):
        (tmp_path / "run" / name).symlink_to(precious)
    write_text(tmp_path / "run" / "best.json", "new")
    assert precious.read_text() == "mine"
    assert (tmp_path / "run" / "best.json").read_text() == "new"
    assert not (tmp_path / "run" / "best.json").is_symlink()


def test_where_the_user_says_links_are_followed_and_devices_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "there")
    write_output(tmp_path / "link", "text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there").read_text() == "text"
    write_output("/dev/null", "text")
    if Path("/dev/full").exists():
        with pytest.raises(WriteError, match=r"/dev/full: cannot be written \(No space left on device\)"):
            write_output("/dev/full", "text" * 10_000)


def test_what_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    for error in (KeyboardInterrupt, ValueError):
        with pytest.raises(error), written(path) as part:
            raise error(part.write_text("half"))
    with pytest.raises(WriteError, match=r"No space left on device.*what was there before is kept"), written(path):
        raise OSError(errno.ENOSPC, "no matter")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from fastsfes.common.files import written\n"
        "with written(Path(sys.argv[1])) as part: os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a")])
    assert done.returncode == -9
    (left,) = os.listdir(tmp_path)
    assert left.startswith(".a.")
    elsewhere = left.replace(files.here(), "0" * 8)  # of a machine whose processes are not known here
    (tmp_path / elsewhere).touch()
    (tmp_path / "mine.part").touch()
    with written(tmp_path / "b") as living:
        files._sweep.cache_clear()
        write_text(tmp_path / "c", "")
        assert sorted(os.listdir(tmp_path)) == sorted([elsewhere, "mine.part", living.name, "c"])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folders_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="Permission denied"):
        write_text(tmp_path / "a", "")


def test_what_was_not_there_is_not_said_to_be_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"cannot be written \(Not a directory\)$"):
        write_text(tmp_path / "file" / "a", "")


def test_files_of_a_folder_are_opened_in_it_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "absent")
    os.mkfifo(tmp_path / "pipe")
    os.link(tmp_path / "precious", tmp_path / "other name")
    for name in ("link", "dangling", "pipe", "other name"):
        with pytest.raises(InputError, match="not a file of this folder alone"):
            open_inside(tmp_path, name, WRITE)
    with pytest.raises(InputError, match="not a file of this folder alone"):
        open_inside(tmp_path, "pipe", os.O_RDONLY)  # at once, with nobody at the other end
    os.close(open_inside(tmp_path, "new", WRITE))
    assert not (tmp_path / "absent").exists()


def test_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/a") == tmp_path / "a"
    assert user_path("a/~") == Path("a/~")
    with pytest.raises(InputError, match="write the whole path"):
        user_path("~nobody-of-this-name/a")
    write_output("~/a", "text")
    assert (tmp_path / "a").read_text() == "text"
    check_output(Path("~/b"))


def test_a_dataset_that_is_being_written_is_called_locked(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    with h5py.File(path, "w"):
        script = "import sys, fastsfes as fs; fs.Dataset.open(sys.argv[1])"
        done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
        assert "is locked by a program that writes it" in done.stderr
    os.remove(path)
    os.mkfifo(path)
    with pytest.raises(InputError), open_dataset_file(path):  # at once, with nobody at the other end
        pass


PATTERN = {"a": float, "b?": (str, None), "c": [{"d": int}], "e": {str: bool}}


def test_shapes_that_fit() -> None:
    for data in (
        {"a": 1, "c": [], "e": {}},
        {"a": 1.5, "b": None, "c": [{"d": 3, "more": []}], "e": {"x": True}, "further": 1},
        {"a": float("nan"), "b": "text", "c": [], "e": {}},
    ):
        assert shaped(data, PATTERN, "file", "remedy") is data


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": "1"}, "a is '1', expected a number"),
        ({"a": True}, "a is True, expected a number"),
        ({"a": 10**400}, "expected a number"),
        ({"b": 3}, "b is 3, expected a text"),
        ({"c": {}}, "c is {}, expected a list"),
        ({"c": [{"d": 1}, {"d": 1.0}]}, r"c\[1\].d is 1.0, expected a whole number"),
        ({"c": [{}]}, r"c\[0\].d is absent"),
        ({"e": {"x": 1}}, "e.x is 1, expected true or false"),
        ({"e": None}, "e is None, expected an object"),
    ],
)
def test_shapes_that_do_not_fit(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=f"^file is damaged: .*{message}.*; remedy$"):
        shaped({"a": 1.0, "c": [], "e": {}} | change, PATTERN, "file", "remedy")
    with pytest.raises(InputError, match="expected an object"):
        shaped([], PATTERN, "file", "remedy")
