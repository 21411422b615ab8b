from __future__ import annotations

import pytest

import core.upcasting
from core.errors import UpcasterError
from core.upcasting import EventVersion, Facts, Upcaster, Upcasters, registered_upcasters, upcasts


def adds(field: str, topic: str, version: int, to: tuple[str, int] | None = None) -> Upcaster:
    """Return an upcaster that adds a field, which tells that it ran."""

    def upcast(facts: Facts) -> Facts:
        return {**facts, field: len(facts)}

    target = EventVersion(topic, version + 1) if to is None else EventVersion(*to)
    return Upcaster(EventVersion(topic, version), target, upcast)


def test_a_current_event_is_left_as_it_is() -> None:
    facts = {"a": 1}
    assert ("x", facts) == Upcasters({"x": 1}, []).current("x", 1, facts)
    assert ("x", facts) == Upcasters({"x": 2}, [adds("b", "x", 1)]).current("x", 2, facts)


def test_an_old_event_is_brought_through_every_version() -> None:
    upcasters = Upcasters({"x": 4}, [adds("third", "x", 3), adds("first", "x", 1), adds("second", "x", 2)])
    assert ("x", {"first": 0, "second": 1, "third": 2}) == upcasters.current("x", 1, {})
    assert ("x", {"second": 0, "third": 1}) == upcasters.current("x", 2, {})
    assert ("x", {"third": 0}) == upcasters.current("x", 3, {})
    assert ("x", {}) == upcasters.current("x", 4, {})


def test_an_event_is_read_under_every_name_that_it_had() -> None:
    upcasters = Upcasters({"new": 2}, [adds("a", "old", 1), adds("b", "old", 2, to=("new", 1)), adds("c", "new", 1)])
    assert ("new", {"a": 0, "b": 1, "c": 2}) == upcasters.current("old", 1, {})
    assert ("new", {"b": 0, "c": 1}) == upcasters.current("old", 2, {})
    assert ("new", {"c": 0}) == upcasters.current("new", 1, {})


def test_two_events_can_become_one() -> None:
    upcasters = Upcasters({"one": 1}, [adds("a", "this", 1, to=("one", 1)), adds("b", "that", 1, to=("one", 1))])
    assert ("one", {"a": 0}) == upcasters.current("this", 1, {})
    assert ("one", {"b": 0}) == upcasters.current("that", 1, {})


@pytest.mark.parametrize(("topic", "version"), [("x", 3), ("x", 0), ("x", -1), ("y", 1), ("", 1)])
def test_a_version_that_nobody_knows_is_told(topic: str, version: int) -> None:
    with pytest.raises(ValueError, match=f"{topic} version {version} is unknown"):
        Upcasters({"x": 2}, [adds("a", "x", 1)]).current(topic, version, {})


def test_an_older_version_without_an_upcaster_is_refused() -> None:
    with pytest.raises(UpcasterError, match=r"No upcaster reads x version 1, .* Add one"):
        Upcasters({"x": 2}, [])
    with pytest.raises(UpcasterError, match="No upcaster reads x version 2"):
        Upcasters({"x": 3}, [adds("a", "x", 1)])


def test_two_upcasters_for_one_version_are_refused() -> None:
    with pytest.raises(UpcasterError, match=r"two upcasters for x version 1\. Remove one"):
        Upcasters({"x": 2}, [adds("a", "x", 1), adds("b", "x", 1)])


def test_a_circle_is_refused_and_shown() -> None:
    circle = [adds("a", "old", 1, to=("older", 1)), adds("b", "older", 1, to=("old", 1))]
    with pytest.raises(UpcasterError, match="old version 1 → older version 1 → old version 1"):
        Upcasters({"x": 1}, circle)
    with pytest.raises(UpcasterError, match="circles: y version 1 → y version 1"):
        Upcasters({"x": 1}, [adds("a", "y", 1, to=("y", 1))])


def test_a_way_that_ends_nowhere_is_refused() -> None:
    with pytest.raises(UpcasterError, match="No upcaster reads new version 1"):
        Upcasters({"x": 1}, [adds("a", "old", 1, to=("new", 1))])
    with pytest.raises(UpcasterError, match="No upcaster reads x version 3"):
        Upcasters({"x": 1}, [adds("a", "y", 1, to=("x", 3))])


def test_an_upcaster_of_the_current_version_is_refused() -> None:
    with pytest.raises(UpcasterError, match=r"upcaster for x version 1, which is the current one\. Remove it"):
        Upcasters({"x": 1}, [adds("a", "x", 1)])


def test_the_decorator_registers_the_way_to_the_next_version_or_to_another_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registered: list[Upcaster] = []
    monkeypatch.setattr(core.upcasting, "_registered", registered)

    @upcasts("x", 1)
    def with_a(facts: Facts) -> Facts:
        return {**facts, "a": 1}

    @upcasts("old", 3, to=("x", 1))
    def renamed(facts: Facts) -> Facts:
        return facts

    assert {"a": 1} == with_a({})
    assert [(("x", 1), ("x", 2)), (("old", 3), ("x", 1))] == [(step.source, step.target) for step in registered]
    assert ("x", {"a": 1}) == Upcasters({"x": 2}, registered).current("old", 3, {})
    assert renamed({}) == {}


def test_the_upcasters_of_this_program_are_complete() -> None:
    registered_upcasters()
