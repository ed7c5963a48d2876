"""Temporary folders are of their user alone."""

import os
import stat
import tempfile
from pathlib import Path

import pytest

from judgeloop.models import fetch
from judgeloop.schema.errors import StoreError
from judgeloop.store.scratch import private_folder, scratch_folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_temporary_folder_is_for_its_user_alone_whatever_the_umask() -> None:
    before = os.umask(0)
    try:
        with scratch_folder("train") as name:
            assert mode(Path(name)) == 0o700
    finally:
        os.umask(before)


def test_a_private_folder_is_made_or_taken_where_it_is_ours_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        made = private_folder(tmp_path / "own")
    finally:
        os.umask(before)
    assert mode(made) == 0o700
    assert private_folder(made) == made


@pytest.mark.parametrize("trap", ["link", "file", "open", "another's"])
def test_a_folder_that_another_may_have_laid_there_is_refused(
    trap: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trap"
    if trap == "link":
        (tmp_path / "target").mkdir()
        path.symlink_to(tmp_path / "target")
    elif trap == "file":
        path.write_text("")
    else:
        path.mkdir(mode=0o777 if trap == "open" else 0o700)
        path.chmod(0o777 if trap == "open" else 0o700)
    if trap == "another's":
        monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(StoreError, match=r"cannot use .*trap"):
        private_folder(path)


def test_bases_that_find_no_home_lie_in_a_folder_of_ours_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = fetch._cache_folder()
    assert folder.parent.parent == tmp_path
    assert mode(folder.parent) == 0o700
    folder.parent.chmod(0o777)
    with pytest.raises(StoreError, match="other users can access it"):
        fetch._cache_folder()
