"""What would be changed, told by the reconciler itself, and by `quick k8s diff`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from cli.main import run
from k8s.apply import ApiClient
from k8s.login import load_credentials
from k8s.objects import ObjectRef
from k8s.rehearsal import Rehearsal, diff_text
from tests.cli.small_manager import small_manager
from tests.k8s.control_plane import ControlPlane
from tests.k8s.declared_things import gateway, mirror
from tests.k8s.manifests import CONFIG_MAP, DEPLOYMENT, manifest
from tests.k8s.reconciling import Declared, found, names, settle, states


class Printed(NamedTuple):
    """What the CLI has done."""

    code: int
    out: str
    err: str


Diff = Callable[..., Printed]


@pytest.fixture
def declared() -> Declared:
    return Declared(mirrors=[mirror()], gateways=[gateway()])


@pytest.fixture
def rehearsal(control_plane: ControlPlane, namespace: str) -> Iterator[Rehearsal]:
    credentials = replace(load_credentials(str(control_plane.kubeconfig)), namespace=namespace)
    with Rehearsal(credentials) as client:
        yield client


def test_what_would_be_done_is_what_is_done_then_and_a_rehearsal_does_nothing(
    client: ApiClient, declared: Declared, rehearsal: Rehearsal
) -> None:
    rehearsed = declared.reconciler(rehearsal).reconcile()
    assert set() == names(client)
    assert states(rehearsed) == states(declared.reconciler(client).reconcile())
    assert all(change.before is None for change in rehearsal.changes)
    settle(declared.reconciler(client))
    declared.gateways.clear()
    declared.mirrors = [mirror(replicas=2)]
    before = names(client)
    rehearsal.changes.clear()
    rehearsed = declared.reconciler(rehearsal).reconcile()
    assert before == names(client)
    assert states(rehearsed) == states(declared.reconciler(client).reconcile())


def test_a_diff_shows_what_is_declared_and_nothing_that_the_server_keeps(
    client: ApiClient, declared: Declared, rehearsal: Rehearsal
) -> None:
    settle(declared.reconciler(client))
    client.apply(manifest(DEPLOYMENT, "quick-gateway-shop", spec={"replicas": 5}), "stranger", force=True)
    declared.reconciler(rehearsal).reconcile()
    (text,) = map(diff_text, rehearsal.changes)
    changed = [line for line in text.splitlines() if line[0] in "+-"]
    assert [
        "--- live/Deployment/quick-gateway-shop",
        "+++ declared/Deployment/quick-gateway-shop",
        "-  replicas: 5",
        "+  replicas: 1",
    ] == changed


@pytest.fixture
def diff(
    control_plane: ControlPlane,
    client: ApiClient,
    declared: Declared,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Diff]:
    """Return a function that runs `quick k8s diff` on the test's namespace."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    monkeypatch.setenv("QUICK_CONFIG", str(tmp_path / "quick.conf"))
    with small_manager() as manager:
        assert 0 == run(["context", "create", "--host", manager.url, "--key", "k", "--context", "test"])

        def diff(*arguments: str) -> Printed:
            manager.answers(msgspec.to_builtins(declared.now()))
            code = run(["k8s", "diff", "--namespace", client.namespace, "--instance", "quick", *arguments])
            return Printed(code, *capsys.readouterr())

        yield diff


def test_exit_codes_are_those_of_kubectl(client: ApiClient, declared: Declared, diff: Diff) -> None:
    first = diff()
    assert (1, "") == (first.code, first.err)
    assert "+++ declared/StatefulSet/quick-mirror-orders\n" in first.out
    settle(declared.reconciler(client))
    assert Printed(0, "", "") == diff()
    failed = diff("--kube-context", "nowhere")
    assert (2, "") == (failed.code, failed.out)
    assert "nowhere" in failed.err


def test_what_cannot_be_done_is_told_beside_what_can(client: ApiClient, declared: Declared, diff: Diff) -> None:
    client.apply(manifest(CONFIG_MAP, "quick-gateway-shop-config", data={"a": "1"}), "somebody")
    told = diff()
    assert 2 == told.code
    assert "quick-gateway-shop-config: There is one of this name without the labels of this Quick" in told.err
    assert "+++ declared/Deployment/quick-gateway-shop\n" in told.out
    assert {"a": "1"} == found(client, ObjectRef(CONFIG_MAP, "quick-gateway-shop-config"))["data"]
