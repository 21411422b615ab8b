"""What the tests of the Kubernetes part need: a control plane, a namespace of one's own, clients."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest

from tests.k8s.cluster import programs
from tests.k8s.control_plane import ControlPlane


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Return a real control plane that the tests of this process share: use a namespace of your own.

    Each process has one of its own, so that a test may freeze or restart the API server.
    """
    if missing := programs.missing():
        names = ", ".join(program.name for program in missing)
        reason = f"The tests' Kubernetes cluster is not built ({names}). Build it once with: make test-cluster"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with ControlPlane(tmp_path_factory.mktemp("control-plane")) as started:
        yield started


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """Return the name of a new namespace; it is deleted afterwards, and nobody waits for that."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    control_plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    yield name
    control_plane.request("DELETE", f"/api/v1/namespaces/{name}")
