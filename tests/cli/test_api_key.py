"""The key of those who have not chosen one: made once, kept, private."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cli.api_key import kept_api_key
from core.errors import LocalRuntimeError


def test_a_key_is_generated_once_and_kept(tmp_path: Path) -> None:
    key = kept_api_key(tmp_path)
    assert len(key) >= 32
    assert key == kept_api_key(tmp_path)


def test_each_folder_has_another_key(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert kept_api_key(tmp_path) != kept_api_key(tmp_path / "other")


def test_only_the_user_can_read_it(tmp_path: Path) -> None:
    kept_api_key(tmp_path)
    assert 0o600 == stat.S_IMODE((tmp_path / "api-key").stat().st_mode)


def test_a_start_that_was_interrupted_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "api-key.new").write_text("half")
    (tmp_path / "api-key").touch()
    assert kept_api_key(tmp_path) not in {"", "half"}


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "api-key").mkdir()
    with pytest.raises(LocalRuntimeError, match=r"/api-key: Is a directory\. Choose another --data-dir, or name a key"):
        kept_api_key(tmp_path)
