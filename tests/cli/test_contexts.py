"""`quick context`, and the file behind it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest

from cli.config import Config, manager_url
from cli.contexts import default_name
from core.errors import SettingsError


def test_the_first_context_becomes_current_and_later_ones_do_not(bare_quick: Any, config: Path) -> None:
    for name in ("one", "two"):
        assert (0, "", "") == bare_quick(
            "context", "create", "--host", f"http://{name}/", "--key", name, "--context", name
        )
    listed = "one:\n  apiKey: one\n  host: http://one/manager\ntwo:\n  apiKey: two\n  host: http://two/manager\n"
    assert (0, f"{listed}currentContext: one\n", "") == bare_quick("context", "list")
    assert (0, "apiKey: one\nhost: http://one/manager\n", "") == bare_quick("context", "describe")
    assert (0, "apiKey: two\nhost: http://two/manager\n", "") == bare_quick("context", "describe", "--context", "two")
    assert (0, "", "") == bare_quick("context", "activate", "two")
    assert bare_quick("context", "list").out.endswith("currentContext: two\n")
    assert 0o600 == stat.S_IMODE(config.stat().st_mode)
    assert ["quick.conf"] == [file.name for file in config.parent.iterdir()]


def test_unknown_contexts_are_told(bare_quick: Any) -> None:
    bare_quick("context", "create", "--host", "http://one", "--key", "k")
    assert (1, "", "Context nope not found\n") == bare_quick("context", "describe", "--context", "nope")
    text = "Context nope does not exist. To create one, run: \n\t$ quick context create\n"
    assert (1, "", text) == bare_quick("context", "activate", "nope")


def test_what_is_not_given_is_asked_for(bare_quick: Any) -> None:
    done = bare_quick("context", "create", "--key", "k", stdin="https://www.example.com/\n")
    assert 0 == done.code
    assert "Enter your host address (example: https://hostaddress.com): " in done.out
    assert "example.com:\n  apiKey: k\n  host: https://www.example.com/manager\n" in bare_quick("context", "list").out


@pytest.mark.parametrize(
    ("host", "name"),
    [("http://h:8080", "h:8080"), ("https://www.h.com/", "h.com"), ("h", "h"), ("http://h/a/b", "hab")],
)
def test_the_name_of_a_context_follows_from_its_host(host: str, name: str) -> None:
    assert name == default_name(host)


@pytest.mark.parametrize("host", ["http://h", "http://h/", "http://h/manager", "http://h/manager/"])
def test_the_managers_url_follows_from_the_host(host: str) -> None:
    assert "http://h/manager" == manager_url(host)


@pytest.mark.parametrize("content", ["", "[]", "contexts: 5", "contexts: {a: {host: h}}", "{", "a: b"])
def test_a_broken_file_is_named_with_the_way_out(tmp_path: Path, content: str) -> None:
    file = tmp_path / "quick.conf"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"(?s)quick\.conf cannot be used .* quick context create"):
        Config.load(file)


def test_a_key_that_is_no_text_is_named(tmp_path: Path) -> None:
    file = tmp_path / "quick.conf"
    file.write_text("contexts: {a: {host: http://h, apiKey: 0123}}\ncurrentContext: a\n")
    with pytest.raises(SettingsError, match="host and apiKey are texts: put them into quotes"):
        Config.load(file)


def test_a_configuration_that_cannot_be_written_is_named_with_the_way_out(bare_quick: Any) -> None:
    file = Path("/proc/no/quick.conf")
    done = bare_quick("context", "create", "--host", "http://h", "--key", "k", QUICK_CONFIG=str(file))
    assert (1, "") == (done.code, done.out)
    assert (
        f"Cannot write the configuration {file}: No such file or directory. Name another file in QUICK_CONFIG.\n"
        == done.err
    )
