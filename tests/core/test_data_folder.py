from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from core.data_folder import DataFolder


@pytest.fixture(autouse=True)
def _temporary_folders_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_a_temporary_folder_goes_when_it_is_closed(tmp_path: Path) -> None:
    folder = DataFolder(None)
    (folder.path / "file").touch()
    assert [folder.path] == list(tmp_path.iterdir())
    folder.close()
    folder.close()
    assert [] == list(tmp_path.iterdir())


def test_a_temporary_folder_goes_with_the_last_who_refers_to_it(tmp_path: Path) -> None:
    folder = DataFolder(None)
    another = folder
    del folder
    assert [another.path] == list(tmp_path.iterdir())
    del another
    assert [] == list(tmp_path.iterdir())


def test_a_given_folder_stays(tmp_path: Path) -> None:
    DataFolder(str(tmp_path)).close()
    assert tmp_path.is_dir()


def test_the_child_of_a_fork_does_not_take_its_parents_folder_along() -> None:
    program = """
import os, sys
from core.data_folder import DataFolder

folder = DataFolder(None)
if (child := os.fork()) == 0:
    sys.exit()  # Runs what is to be done at exit, in the child.
os.waitpid(child, 0)
print(folder.path.is_dir(), flush=True)
"""
    assert (
        "True\n" == subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    )
