"""A small manager that answers as a test says, and the CLI pointed at it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cli.client import Manager as ManagerClient
from cli.config import Context
from tests.cli.small_manager import Manager, small_manager


@pytest.fixture
def manager() -> Iterator[Manager]:
    with small_manager() as state:
        yield state


@pytest.fixture
def client(manager: Manager) -> ManagerClient:
    """Return the CLI's client of the small manager."""
    return ManagerClient(lambda: Context(manager.url, "secret-key"))


class Done(NamedTuple):
    code: int
    out: str
    """Bytes that are no UTF-8 are surrogates in it."""
    err: str


Quick = Callable[..., Done]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the place of the CLI's configuration, which does not exist."""
    return tmp_path / "config" / "quick.conf"


@pytest.fixture
def start_quick(config: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts the CLI; what still runs after the test is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str, stderr: int = subprocess.PIPE, **environment: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("quick"), *arguments],
            env={
                "QUICK_CONFIG": str(config),
                "PATH": "",
                "HOME": str(config.parent),
                "PYTHONWARNINGS": "error",
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def bare_quick(start_quick: Callable[..., subprocess.Popen[bytes]]) -> Quick:
    """Return the CLI without a configuration."""

    def run(*arguments: str, stdin: str | bytes = "", **environment: str) -> Done:
        process = start_quick(*arguments, **environment)
        given = stdin if isinstance(stdin, bytes) else stdin.encode()
        out, err = process.communicate(given, timeout=60)
        return Done(process.returncode, out.decode(errors="surrogateescape"), err.decode())

    return run


@pytest.fixture
def quick(bare_quick: Quick, manager: Manager) -> Quick:
    """Return the CLI with the small manager as its current context."""
    created = bare_quick("context", "create", "--host", manager.url, "--key", "secret-key", "--context", "test")
    assert Done(0, "", "") == created
    return bare_quick


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that moves this process into a time zone."""
    before = os.environ.get("TZ")

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    assert before == os.environ.get("TZ")
    time.tzset()
