"""What every command has in common: help, mistakes, errors, exit codes, and how little is imported."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from typing import Any
from unittest.mock import Mock

import pytest

from cli.main import run
from core.errors import StoreError
from tests.cli.small_manager import Reply

HEAVY = ("httpx", "yaml", "graphql", "eventsourcing", "falcon", "lmdb", "fastavro", "jinja2", "kubernetes")


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["topic", "create", "--help"],
        ["log", "-h"],
        ["key", "-h"],
        ["ingest", "-h"],
        ["delete", "-h"],
        ["gateway", "-h"],
        ["app", "deploy", "-h"],
        ["query", "-h"],
        ["k8s", "-h"],
        ["k8s", "render", "--help"],
    ],
)
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
        (["log", "show", "x"], "quick log show", "Invalid value for 'POSITION': 'x' is no whole number from 1."),
        (["log", "--limit", "0"], "quick log list", "Invalid value for '--limit': '0' is no whole number from 1."),
        (["up", "--port", "-1"], "quick up", "Invalid value for '--port': '-1' is no whole number from 0 to 65535."),
        (
            ["topic", "delete", "x", "--command-id", "a b"],
            "quick topic delete",
            "Invalid value for '--command-id': It takes 1 to 200 letters, digits and signs, without blanks.",
        ),
        (["topic", "create", "x", "--key"], "quick topic create", "Option '--key' requires an argument."),
        (
            ["topic", "create", "x", "--key-", "long"],
            "quick topic create",
            "Option '--key-' could be --key-schema, --key-type.",
        ),
        (
            ["topic", "create", "x", "-k", "schema", "-v", "long"],
            "quick topic create",
            "Please specify a key schema with --key-schema.",
        ),
        (
            ["topic", "create", "x", "-k", "schema", "-v", "long", "--key-schema", "T"],
            "quick topic create",
            "Please specify schema as: GATEWAY.TYPE",
        ),
        (
            ["topic", "create", "x", "-k", "int", "-v", "long", "--partitions", "0"],
            "quick topic create",
            "Invalid value for '--partitions': '0' is no whole number from 1.",
        ),
        (
            ["topic", "create", "x", "-k", "int", "-v", "long", "--config", "retention.ms"],
            "quick topic create",
            "Please specify settings as: KEY=VALUE, and not 'retention.ms'.",
        ),
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
    assert re.search(r"\n\nhttp://127\.0\.0\.1:\d+/manager cannot be reached: .*Connection refused\.\n$", done.err)


def test_a_context_that_cannot_be_used_says_how_to_mend_it(bare_quick: Any) -> None:
    again = "Create the context again:\n\t$ quick context create --host https://example.com --key KEY\n"
    for host, key, text in (
        ("localhost:1", "k", "The host localhost:1/manager cannot be used: Request URL is missing an 'http://' or"),
        ("http://h:port", "k", "The host http://h:port/manager cannot be used: Invalid port: 'port'. "),
        ("http://h", "schlüssel", "The API key for http://h/manager has characters that no key has. "),
    ):
        bare_quick("context", "create", "--host", host, "--key", key, "--context", "odd")
        done = bare_quick("topic", "list")
        assert (1, "") == (done.code, done.out)
        assert done.err.startswith(text)
        assert done.err.endswith(again)


def test_a_context_that_does_not_exist_names_those_that_do(quick: Any) -> None:
    text = "Context other not found. There are: test. Choose one with: quick context activate <NAME>\n"
    assert (1, "", text) == quick("topic", "list", "--context", "other")


def test_an_error_of_ours_is_its_own_text_and_any_other_asks_to_be_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for error, text in (
        (StoreError("The disk is full. Free some space."), "The disk is full. Free some space.\n"),
        (
            KeyError("digest"),
            "Unexpected error. Exiting now.\nIt is a mistake in quick (KeyError: 'digest'): please report it.\n",
        ),
        (KeyboardInterrupt(), "\nInterrupted quick. Exiting now.\n"),
    ):
        monkeypatch.setattr("cli.contexts.load_config", Mock(side_effect=error))
        assert 1 == run(["context", "list"])
        assert ("", text) == capsys.readouterr()


def test_a_terminal_that_lacks_a_sign_is_no_error(quick: Any, manager: Any) -> None:
    manager.answers([{"name": "größe-✓"}])
    assert (0, "größe-\\u2713\n".encode("latin-1").decode(errors="surrogateescape"), "") == quick(
        "topic", "list", PYTHONIOENCODING="latin-1"
    )


def test_a_wrong_key(quick: Any, manager: Any) -> None:
    manager.refuses(401, "Unauthorized", "No valid authentication token found in request.")
    assert (1, "", "Unauthorized.\n Your API key is invalid.\n") == quick("topic", "list")


def test_an_answer_that_is_none_of_quicks(quick: Any, manager: Any) -> None:
    page = b"<html>Not here</html>"
    text = "Unexpected answer: {}/manager/gateways answered {}. Check the host of your context, and whether the server"
    for status, what in ((404, "404 and no Quick error"), (200, "no JSON")):
        manager.reply = Reply((page,), status)
        assert (1, "", f"{text.format(manager.url, what)} behind it runs.\n") == quick("gateway", "list")


def test_a_redirect_says_where_to(quick: Any, manager: Any) -> None:
    manager.reply = Reply((), 301, {"Location": "https://elsewhere/"})
    assert "answered 301 and no Quick error (it redirects to https://elsewhere/)." in quick("topic", "list").err


def test_debug_traces_requests_without_the_key(quick: Any, manager: Any) -> None:
    manager.answers([])
    done = quick("topic", "list", "--debug")
    assert (0, "") == (done.code, done.out)
    assert f"> GET {manager.url}/manager/topics" in done.err
    assert "< 200 []" in done.err
    assert "secret-key" not in done.err
