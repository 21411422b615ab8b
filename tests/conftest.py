"""What many tests need: a broker for all, brokers to kill, a running Quick, names that nobody else uses."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psutil
import pytest

from cli import ports
from cli.local_kafka import LocalKafka
from tests.k8s.cluster import programs
from tests.running import Running
from tests.scheduling import Scheduling, ordered

# Machines are busy: how long one example takes says nothing.
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kafka", metavar="HOST:PORT", help="Kafka brokers to use instead of starting one")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let what waits and what computes run side by side."""
    items[:] = ordered(items)


def pytest_collection_finish() -> None:
    """Let the cycle collector pass over all tests and their modules, which stay: it took a sixth of the time."""
    gc.freeze()
    gc.set_threshold(10_000, 20, 100)


@pytest.hookimpl(optionalhook=True)  # Of xdist, which may be switched off.
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Keep together what shares something that is dear to start."""
    return Scheduling(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say aloud that tests were skipped for want of a cluster: the reasons of others are known."""
    skipped = [one for one in terminalreporter.stats.get("skipped", []) if programs.NOT_BUILT in str(one.longrepr)]
    if skipped:
        terminalreporter.write_sep("!", f"{len(skipped)} tests skipped. {programs.NOT_BUILT}", red=True, bold=True)


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a real broker that all tests share: use topic names of your own, and leave it running."""
    if address := request.config.getoption("--kafka"):
        yield address
        return
    with LocalKafka(tmp_path_factory.mktemp("shared-kafka")) as broker:
        yield broker.bootstrap


@pytest.fixture
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., LocalKafka]]:
    """Return a function that starts a broker for this test alone, on the folder `data_dir` or on a new one.

    What it returns can be killed, stopped and started again; what still runs after the test is stopped.
    """
    brokers: list[LocalKafka] = []

    def start(data_dir: Path | None = None) -> LocalKafka:
        started = LocalKafka(data_dir or tmp_path_factory.mktemp("own-kafka"))
        brokers.append(started)
        started.start()
        return started

    yield start
    for started in reversed(brokers):
        started.stop()


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Return a function that names a port on which nobody listens."""
    return ports.free_port


@pytest.fixture(scope="session")
def is_running() -> Callable[[int], bool]:
    """Return a function that tells whether a process still runs; one that nobody has waited for does not."""

    def is_running(pid: int) -> bool:
        try:
            return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
        except psutil.NoSuchProcess:
            return False

    return is_running


@pytest.fixture
def topic_name() -> str:
    """Return the name of a topic that does not exist."""
    return f"test-{uuid.uuid4().hex}"


@pytest.fixture(scope="session")
def new_running(
    kafka: str, tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]
) -> Iterator[Callable[..., Running]]:
    """Make instances that are started by the test and stopped at the latest at the end."""
    made: list[Running] = []

    def make(bootstrap: str = kafka, **more: Any) -> Running:
        running = Running(bootstrap, tmp_path_factory.mktemp("up"), free_port(), **more)
        made.append(running)
        return running

    yield make
    for running in made:
        running.stop()


@pytest.fixture(scope="session")
def running(new_running: Callable[..., Running]) -> Running:
    """Return the instance that most tests share; each uses names of its own."""
    shared = new_running()
    shared.start()
    return shared
