"""What is told of each object, and what stays told."""

from __future__ import annotations

from datetime import UTC, datetime

from k8s.objects import ObjectRef
from k8s.outcomes import Drift, Outcome, Result, State
from k8s.statuses import statuses_of
from projections.object_status import ObjectStatus
from tests.k8s.manifests import CONFIG_MAP, DEPLOYMENT

DRIFT = Drift(field=".spec.replicas", managers=("stranger",), wanted="1", found="7")
NOON = datetime(2024, 5, 17, 12, tzinfo=UTC)
TOLD = ".spec.replicas: 7 found by stranger, 1 wanted"


def result(state: State, *drifts: Drift, reason: str = "") -> Result:
    return Result(
        ref=ObjectRef(DEPLOYMENT, "quick-app-a", "shop"),
        thing="a",
        component="streamsApp",
        position=12,
        state=state,
        reason=reason,
        drifts=drifts,
        replicas=1,
        ready=0,
    )


def told(outcome: Outcome, *known: ObjectStatus) -> list[ObjectStatus]:
    return statuses_of(outcome, known, "shop", lambda: NOON)


def only(*results: Result, known: tuple[ObjectStatus, ...] = ()) -> ObjectStatus:
    """Return the status of the one object."""
    _, one = told(Outcome(position=30, results=results), *known)
    return one


def test_an_object_is_told_with_its_thing_its_position_and_its_replicas() -> None:
    expected = ObjectStatus(
        kind="Deployment",
        name="quick-app-a",
        noun="application",
        thing="a",
        position=12,
        state="ok",
        replicas=1,
        ready=0,
    )
    assert expected == only(result(State.UNCHANGED))
    assert expected == only(result(State.APPLIED)), "being applied is no news for long"


def test_what_failed_is_told_with_its_reason() -> None:
    one = only(result(State.FAILED, reason="Refused."))
    assert ("failed", "Refused.") == (one.state, one.reason)


def test_a_drift_that_was_reverted_stays_told_until_the_next_one() -> None:
    reverted = only(result(State.APPLIED, DRIFT))
    assert ("ok", [TOLD], "2024-05-17T12:00:00+00:00") == (reverted.state, reverted.drifts, reverted.drifted)
    assert reverted == only(result(State.UNCHANGED), known=(reverted,))


def test_a_drift_that_is_left_keeps_the_time_when_it_was_first_seen() -> None:
    earlier = ObjectStatus(kind="Deployment", name="quick-app-a", state="drifted", drifts=[TOLD], drifted="before")
    assert "before" == only(result(State.DRIFTED, DRIFT), known=(earlier,)).drifted


def test_what_is_deleted_is_not_told_any_more() -> None:
    deleted = Result(ref=ObjectRef(CONFIG_MAP, "a"), thing="a", state=State.DELETED)
    assert ["Namespace"] == [one.kind for one in told(Outcome(position=30, results=(deleted,)))]


def test_an_api_server_that_is_away_is_told_of_the_namespace() -> None:
    (one,) = told(Outcome(position=30, results=(), problems=("No rights.",), unavailable="It is away."))
    assert ("Namespace", "shop", "failed", "It is away. No rights.") == (one.kind, one.name, one.state, one.reason)
    (one,) = told(Outcome(position=30, results=()))
    assert ("ok", "") == (one.state, one.reason)
