"""The servers beside which a gateway is measured: what they need is fetched once, then each is started and stopped."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from cli.cache import cache_folder
from cli.child_process import Child, ChildSpec
from cli.ports import free_port
from core.errors import LocalRuntimeError

HERE: Final = Path(__file__).resolve().parent
PEERS: Final = HERE / "gateway_peers"
READY_TIMEOUT_S: Final = 60.0
FETCH_TIMEOUT_S: Final = 300.0

ARIADNE: Final = "ariadne==1.1.1"
STRAWBERRY: Final = "strawberry-graphql[asgi]==0.341.2"
"""It needs another graphql-core than we do, so that it can be no dependency beside us."""

ROW_CACHE_OFF: Final = {"QUICK_GATEWAY_ROW_CACHE_MB": "0"}
"""The setting with which a worker keeps no decoded rows."""


class Contender(NamedTuple):
    """A server that answers."""

    name: str
    port: int
    path: str
    """Where queries are posted; `{workload}` stands where each has a path of its own."""


class Peer(NamedTuple):
    """A server that can be started."""

    name: str
    command: Callable[[int], tuple[str, ...]]
    """From a port to the command that serves there."""
    fetch: Callable[[], Mapping[str, str]] = dict
    """Fetches what the server needs, and returns the environment in which it finds that."""
    path: str = "/graphql"


def peers(gateway: str) -> tuple[Peer, ...]:
    """Return all of them, the ones that are ours first."""
    return (
        Peer("row cache off", _our_worker, lambda: ROW_CACHE_OFF, f"/gateway/{gateway}/graphql"),
        Peer("graphql-core", _served("graphql_core_server")),
        Peer("bare", _served("bare"), path="/{workload}"),
        Peer("Ariadne", _served("ariadne_server"), lambda: _python_packages(ARIADNE)),
        Peer("Strawberry", _served("strawberry_server"), lambda: _python_packages(STRAWBERRY)),
        Peer("yoga", _on_node, _node_packages),
    )


@contextmanager
def started(peer: Peer, environment: Mapping[str, str], folder: Path) -> Iterator[Contender]:
    """Start a peer, and stop it.

    Args:
        peer: Which one.
        environment: What all of them are told.
        folder: Where it may write what it says.

    Raises:
        LocalRuntimeError: What it needs cannot be fetched, or it does not answer.
    """
    environment = {**os.environ, **environment, **peer.fetch()}
    port, output = free_port(), folder / f"{peer.name.replace(' ', '-')}.log"
    spec = ChildSpec(name=peer.name, argv=peer.command(port), env=environment, cwd=HERE, output=output)
    child = Child(spec)
    try:
        _await_answer(child, port, output)
        yield Contender(peer.name, port, peer.path)
    finally:
        child.stop()


def _await_answer(child: Child, port: int, output: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and child.exit_code() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=READY_TIMEOUT_S)  # Any answer will do.
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    said = output.read_text(errors="replace").strip().rpartition("\n")[2]
    raise LocalRuntimeError(f"{child.spec.name} does not answer: {said or 'it said nothing'}. All of it: {output}")


def _our_worker(port: int) -> tuple[str, ...]:
    """Return what `quick up` starts, on the same data folder."""
    settings = ("--config", "python:services.gunicorn_config", "--workers", "1", "--bind", f"127.0.0.1:{port}")
    return (sys.executable, "-m", "gunicorn", "services.app:app_from_env()", *settings)


def _served(module: str) -> Callable[[int], tuple[str, ...]]:
    return lambda port: (sys.executable, "-m", "gateway_peers.serve", module, str(port))


def _on_node(port: int) -> tuple[str, ...]:
    return (_program("node"), str(PEERS / "yoga_server.cjs"), str(port))


def _python_packages(requirement: str) -> Mapping[str, str]:
    """Return where the packages lie that are only for this peer; everything else it has from our environment."""
    command = (sys.executable, "-m", "pip", "install", "--quiet", "--target", ".", requirement)
    name = requirement.partition("=")[0].partition("[")[0]
    return {"PYTHONPATH": str(_fetched(name, f"{requirement} {sys.version}", command))}


def _node_packages() -> Mapping[str, str]:
    manifest = PEERS / "package.json"
    command = (_program("npm"), "install", "--silent", "--no-audit", "--no-fund")
    return {"NODE_PATH": str(_fetched("yoga", manifest.read_text(), command, manifest) / "node_modules")}


def _program(name: str) -> str:
    if (found := shutil.which(name)) is None:
        raise LocalRuntimeError(f"No {name} is on the PATH. Install Node.js (Debian: apt install nodejs npm).")
    return found


def _fetched(name: str, identity: str, command: tuple[str, ...], *files: Path) -> Path:
    """Return the folder in which *command* was run, in this run or an earlier one.

    Args:
        name: What the folder is called.
        identity: Everything that decides what is fetched.
        command: Fetches into the working folder.
        files: What it needs there.

    Raises:
        LocalRuntimeError: It failed.
    """
    above = cache_folder() / "gateway-peers"
    folder = above / f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
    if folder.is_dir():
        return folder
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}.", dir=above) as partial:
        fetching = Path(partial) / "complete"
        fetching.mkdir()
        for file in files:
            shutil.copy(file, fetching)
        try:
            subprocess.run(command, cwd=fetching, capture_output=True, text=True, check=True, timeout=FETCH_TIMEOUT_S)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            said = str(error.stderr or error.stdout or error).strip().rpartition("\n")[2]
            raise LocalRuntimeError(f"{name} cannot be fetched: {said}. Check the network.") from error
        if not folder.is_dir():  # Another run may have been quicker.
            fetching.rename(folder)
    return folder
