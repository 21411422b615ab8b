"""What every command has in common: help, mistakes, errors, exit codes, and how little is imported."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from typing import Any

import pytest

HEAVY = ("httpx", "yaml", "graphql", "eventsourcing", "falcon", "lmdb", "fastavro")


def test_the_version(bare_quick: Any) -> None:
    expected = (0, f"quick (version {version('quick-es')})\n", "")
    assert expected == bare_quick("--version") == bare_quick("-v")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["-h"], ["topic", "-h"], ["topic", "create", "--help"], ["log", "-h"]]
)
def test_help_goes_to_stdout(bare_quick: Any, arguments: list[str]) -> None:
    done = bare_quick(*arguments)
    assert (0, "") == (done.code, done.err)
    assert "Usage: quick" in done.out


@pytest.mark.parametrize("arguments", [["--help"], ["topic", "create", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = f"""
import sys
from cli.main import run
assert 0 == run({arguments!r})
print("loaded:", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.endswith("loaded: []\n")


@pytest.mark.parametrize(
    ("arguments", "prog", "error"),
    [
        ([], "quick", "No subcommand specified."),
        (["topic"], "quick topic", "No subcommand specified."),
        (["tpoic"], "quick", "No such command 'tpoic'. Did you mean 'topic'?"),
        (["topic", "creat", "x"], "quick topic", "No such command 'creat'. Did you mean 'create'?"),
        (["topic", "create"], "quick topic create", "Missing argument 'NAME'."),
        (
            ["topic", "create", "x", "--range", "f"],
            "quick topic create",
            "Option '--range' could be --range-field, --range-key.",
        ),
        (["topic", "create", "x", "--key"], "quick topic create", "Option '--key-type' requires an argument."),
        (
            ["gateway", "apply", "x", "-f", "/nope"],
            "quick gateway apply",
            "argument -f/--file: can't open '/nope': No such file or directory",
        ),
        (
            ["topic", "create", "x", "-k", "long", "-v", "schema"],
            "quick topic create",
            "Please specify a schema with -s/--schema.",
        ),
        (
            ["topic", "create", "x", "-k", "long", "-v", "schema", "-s", "a.b.c"],
            "quick topic create",
            "Please specify schema as: GATEWAY.TYPE",
        ),
    ],
)
def test_a_mistake_on_the_command_line(quick: Any, arguments: list[str], prog: str, error: str) -> None:
    done = quick(*arguments)
    assert (2, "") == (done.code, done.out)
    lines = done.err.splitlines()
    assert lines[0].startswith(f"usage: {prog} [OPTIONS]")
    assert ["", f"Error: {error}", f"See '{prog} -h' for help."] == lines[1:]


def test_without_a_configuration(bare_quick: Any) -> None:
    text = "Not initialized.\nPlease run:\n\t$ quick context create\nto set your host and API key.\n"
    assert (1, "", text) == bare_quick("topic", "list")


def test_a_host_that_cannot_be_reached(quick: Any, bare_quick: Any, free_port: Any) -> None:
    bare_quick("context", "create", "--host", f"http://127.0.0.1:{free_port()}", "--key", "k", "--context", "away")
    done = quick("topic", "list", "--context", "away")
    assert (1, "") == (done.code, done.out)
    assert done.err.startswith("Please check your host and try again. Set the host and your API key using:\n")


def test_a_wrong_key(quick: Any, manager: Any) -> None:
    manager.refuses(401, "Unauthorized", "No valid authentication token found in request.")
    assert (1, "", "Unauthorized.\n Your API key is invalid.\n") == quick("topic", "list")


def test_an_answer_that_is_none_of_quicks(quick: Any, manager: Any) -> None:
    manager.status, manager.answer = 502, b"<html>Bad Gateway</html>"
    done = quick("gateway", "list")
    assert 1 == done.code
    assert "502" in done.err
    manager.status = 200
    assert "no JSON" in quick("gateway", "list").err


def test_debug_traces_requests_without_the_key(quick: Any, manager: Any) -> None:
    manager.answers([])
    done = quick("topic", "list", "--debug")
    assert (0, "") == (done.code, done.out)
    assert f"> GET {manager.url}/manager/topics" in done.err
    assert "< 200 []" in done.err
    assert "secret-key" not in done.err


@pytest.mark.parametrize(
    "arguments", [["mirror", "create", "t", "--tag", "1"], ["app", "deploy", "a", "--args", "a=1", "b=2"]]
)
def test_what_is_not_available_yet_says_so(quick: Any, arguments: list[str]) -> None:
    done = quick(*arguments)
    assert (1, "") == (done.code, done.out)
    assert "not available yet" in done.err
