"""The loop around the reconciler: what wakes it, and what it does while the API server is away or it does not lead."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from k8s.apply import ApiClient, WatchEvent
from k8s.loop import Loop, Pace
from k8s.objects import ObjectRef
from k8s.outcomes import Outcome
from k8s.watches import _is_news
from tests.k8s.control_plane import ControlPlane
from tests.k8s.declared_things import gateway, mirror
from tests.k8s.manifests import DEPLOYMENT, deployment, manifest
from tests.k8s.reconciling import Declared, found, names, until

NEVER_BY_ITSELF = Pace(every_s=10_000, shortest_s=0.05, retry_s=0.1, longest_retry_s=0.5)
GATEWAY = ObjectRef(DEPLOYMENT, "quick-gateway-shop")


@contextmanager
def looping(
    client: ApiClient,
    declared: Declared,
    leads: Callable[[], bool] = lambda: True,
    pace: Pace = NEVER_BY_ITSELF,
    fails_at: int = 0,
) -> Iterator[list[Outcome]]:
    """Let a loop run, and return the outcomes that it tells, which become more."""
    told: list[Outcome] = []

    def tell(outcome: Outcome) -> bool:
        told.append(outcome)
        return len(told) != fails_at

    loop = Loop(declared.reconciler(client, leads), lambda: declared.position, leads, tell, pace)
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        yield told
    finally:
        loop.stop()
        thread.join(120)
        assert not thread.is_alive(), "the loop ends when it is told to"


def is_quiet(told: list[Outcome]) -> bool:
    """Return whether the last round has found nothing to do."""
    return bool(told) and told[-1].is_settled and {"unchanged"} == {result.state.value for result in told[-1].results}


def test_a_command_is_followed_at_once(client: ApiClient) -> None:
    declared = Declared(gateways=[gateway()])
    with looping(client, declared) as told:
        until(lambda: is_quiet(told), "the gateway is made")
        declared.mirrors = [mirror()]
        declared.position = 31
        until(lambda: told[-1].position == 31 and is_quiet(told), "the mirror is made")
        assert 8 == len(names(client))


def test_what_others_do_is_noticed_at_once(client: ApiClient) -> None:
    declared = Declared(gateways=[gateway()])
    with looping(client, declared) as told:
        until(lambda: is_quiet(told), "the gateway is made")
        client.apply(manifest(DEPLOYMENT, GATEWAY.name, spec={"replicas": 5}), "stranger", force=True)
        until(lambda: found(client, GATEWAY)["spec"]["replicas"] == 1, "reverted")
        client.delete(GATEWAY)
        until(lambda: client.get(GATEWAY) is not None, "made again")
        until(lambda: is_quiet(told), "settled")
    drifts = [drift.field for outcome in told for result in outcome.results for drift in result.drifts]
    assert [".spec.replicas"] == drifts


def test_watches_go_on_after_the_api_server_was_restarted_and_has_forgotten_all(
    control_plane: ControlPlane, client: ApiClient
) -> None:
    declared = Declared(gateways=[gateway()])
    with looping(client, declared) as told:
        until(lambda: is_quiet(told), "the gateway is made")
        control_plane.forget_history()
        client.delete(GATEWAY)
        until(lambda: client.get(GATEWAY) is not None, "made again")


def test_a_loop_outlives_an_api_server_that_is_away(control_plane: ControlPlane, client: ApiClient) -> None:
    declared = Declared(gateways=[gateway()])
    with looping(client, declared) as told:
        until(lambda: is_quiet(told), "the gateway is made")
        control_plane.kill_api_server()
        try:
            declared.gateways = [gateway(tag="9.9")]
            declared.position = 31
            until(lambda: told[-1].unavailable is not None, "told")
        finally:
            control_plane.start_api_server()
        until(lambda: told[-1].position == 31 and is_quiet(told), "applied")
        assert found(client, GATEWAY)["spec"]["template"]["spec"]["containers"][0]["image"].endswith(":9.9")


def test_who_does_not_lead_does_nothing_until_it_leads(client: ApiClient) -> None:
    declared = Declared(gateways=[gateway()])
    asked: list[int] = []
    is_leader = threading.Event()

    def leads() -> bool:
        asked.append(1)
        return is_leader.is_set()

    with looping(client, declared, leads) as told:
        until(lambda: len(asked) > 3, "asked")
        assert ([], set()) == (told, names(client))
        is_leader.set()
        until(lambda: is_quiet(told), "the gateway is made")


def test_everything_is_compared_now_and_then_though_nothing_is_heard(
    client: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "watch", lambda *_, **__: iter(()))
    declared = Declared(gateways=[gateway()])
    with looping(client, declared, pace=Pace(every_s=0.3, shortest_s=0.05)) as told:
        until(lambda: is_quiet(told), "the gateway is made")
        client.delete(GATEWAY)
        until(lambda: client.get(GATEWAY) is not None, "made again")


def test_what_could_not_be_told_is_told_soon(client: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "watch", lambda *_, **__: iter(()))
    with looping(client, Declared(), fails_at=1) as told:
        until(lambda: len(told) >= 2, "told again")


def test_only_news_wakes() -> None:
    live = {**deployment("a"), "metadata": {"name": "a", "uid": "u", "generation": 1, "resourceVersion": "7"}}
    seen: dict[str, object] = {}
    assert [True, False, False] == [
        _is_news(event, seen)
        for event in (
            WatchEvent("ADDED", live),
            WatchEvent("MODIFIED", {**live, "status": {"observedGeneration": 1}}),
            WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),
        )
    ]
    assert _is_news(WatchEvent("MODIFIED", {**live, "status": {"readyReplicas": 1}}), seen)
    assert _is_news(WatchEvent("DELETED", live), seen)
