"""The registry as of any moment is what the live one was then."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import NotFoundError, UnknownEventError
from core.record import FORMAT, CommandRecord, RecordedEvent, encode
from projections.past import past_registries
from projections.registry import NOUNS, RegistryProjection
from projections.registry_folder import RegistryFolder
from tests.made_log import MadeLog


@pytest.fixture
def log(tmp_path: Path) -> MadeLog:
    return MadeLog(tmp_path / "index")


def test_what_was_deleted_is_there_before_and_not_after(log: MadeLog) -> None:
    created = log.create_topic("a")
    deleted = log.delete_topic("a")
    before, after = past_registries(log.index, [created, deleted])
    assert ["a"] == [row.state.name for row in before.topics()]
    assert [] == after.topics()
    with pytest.raises(NotFoundError):
        after.topic("a")


def test_position_zero_is_the_empty_registry(log: MadeLog) -> None:
    log.create_topic("a")
    assert [] == past_registries(log.index, [0])[0].topics()


def test_a_schema_is_shown_as_it_was_served_then(log: MadeLog) -> None:
    first = log.create_gateway("shop", "type A { a: Int }")
    log.apply_schema("shop", "type B { b: Int }")
    assert "type A { a: Int }" == past_registries(log.index, [first])[0].gateway("shop").state.sdl


def test_things_created_again_are_another_incarnation(log: MadeLog) -> None:
    log.create_topic("a")
    log.delete_topic("a")
    again = log.create_topic("a")
    assert again == past_registries(log.index, [again])[0].topic("a").incarnation


def test_an_event_of_a_newer_version_is_named_with_its_offset(log: MadeLog) -> None:
    log.create_topic("a")
    event = RecordedEvent("7d1c3c4e-6d4e-5b0a-9f0e-2f9f5a0c51c4", 1, "quick:NotInventedYet", "{}")
    offset = log.raw(encode(CommandRecord(format=FORMAT, application="quick", command_id="new", events=(event,))))
    assert 1 == len(past_registries(log.index, [1])[0].topics())
    with pytest.raises(UnknownEventError, match=f"offset {offset} .*NotInventedYet.* upgrade"):
        past_registries(log.index, [2])


def test_of_the_past_only_what_is_asked_for_is_folded(log: MadeLog) -> None:
    log.create_topic("a")
    last = log.create_gateway("shop")
    (past,) = past_registries(log.index, [last], ["gateway"])
    assert ["shop"] == [row.state.name for row in past.gateways()]
    with pytest.raises(KeyError):
        past.topics()


steps = st.lists(
    st.tuples(st.sampled_from(["topic", "gateway", "schema", "application"]), st.sampled_from("abc")), max_size=25
)


@given(steps=steps, data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_moment_is_what_a_registry_that_was_folded_so_far_holds(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("past")
    log = MadeLog(folder / "index")
    alive: set[tuple[str, str]] = set()
    for kind, name in steps:
        act(log, alive, kind, name)
    last = log.index.max_notification_id() or 0
    moments = sorted(data.draw(st.lists(st.integers(0, last), min_size=1, max_size=4)))
    live = RegistryProjection(folder / "registry")
    folding = RegistryFolder(log.index, live)
    for moment, past in zip(moments, past_registries(log.index, moments), strict=True):
        folding.fold_to(moment)
        assert [live.view.rows(noun) for noun in NOUNS] == [past.rows(noun) for noun in NOUNS]
        assert moment == past.position()
    live.close()
    log.index.close()


def act(log: MadeLog, alive: set[tuple[str, str]], kind: str, name: str) -> None:
    """Create what is not there, delete or change what is."""
    if kind == "schema":
        if ("gateway", name) in alive:
            log.apply_schema(name, f"type T{log.index.next_offset()} {{ a: Int }}")
        return
    create, delete = {
        "topic": (log.create_topic, log.delete_topic),
        "gateway": (log.create_gateway, log.delete_gateway),
        "application": (log.deploy_application, log.delete_application),
    }[kind]
    if (kind, name) in alive:
        alive.remove((kind, name))
        delete(name)
    else:
        alive.add((kind, name))
        create(name)
