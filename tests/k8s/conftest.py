"""What the tests of the Kubernetes part need: a control plane, a namespace of one's own, clients."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from k8s.apply import ApiClient
from k8s.login import load_credentials
from tests.k8s.control_plane import TIMEOUT_S, ControlPlane, need_programs
from tests.k8s.reconciling import Declared, one_of_each


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a real control plane that the tests of this process share: use a namespace of your own.

    Each process has one of its own, so that a test may freeze or restart the API server.
    """
    need_programs()
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as started:
        yield started


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Return the name of a new namespace; it is deleted afterwards, and nobody waits for that."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def new_client(namespace: str) -> Iterator[Callable[..., ApiClient]]:
    """Return a function that makes a client for the test's namespace from a kubeconfig file."""
    made: list[ApiClient] = []

    def make(kubeconfig: Path, *, timeout_s: float = TIMEOUT_S, **options: Any) -> ApiClient:
        credentials = replace(load_credentials(str(kubeconfig)), namespace=namespace)
        made.append(ApiClient(credentials, timeout_s=timeout_s, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(control_plane: ControlPlane, new_client: Callable[..., ApiClient]) -> ApiClient:
    """Return the administrator's client for the test's namespace."""
    return new_client(control_plane.kubeconfig)


@pytest.fixture
def declared() -> Declared:
    """Return one thing of each kind."""
    return one_of_each()
