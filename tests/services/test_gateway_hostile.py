"""Documents and requests that are made to cost a server much: refused, after a bounded number of steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from graphql import build_schema

from core.gateway_settings import GatewaySettings, GraphQLLimits, LimitMode
from core.sdl import parse_gateway_schema
from services.gateway.checks import MAX_ERRORS, Checks
from services.gateway.executor import GatewayExecutor

SCHEMA = build_schema(
    """
    type Query { a(k: Int, s: String, f: Filter, l: [Int]): P }
    type P { id: Int p: P }
    input Filter { f: Filter k: Int }
    """
)

MAX_CALLS = 1_000_000
"""Calls of functions that checking any document may take; the most that was seen here is half of it."""


class NoMirrors:
    """Mirrors that must not be asked."""

    def begin(self, *, names_types: bool = False) -> NoMirrors:
        return self

    def close(self) -> None:
        """Nothing is held."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AssertionError(f"{name} was asked for a document that had to be refused")


def bomb(levels: int, line: str) -> str:
    return " ".join(f"fragment F{n} on P {{ {line.replace('NEXT', f'...F{n + 1}')} }}" for n in range(levels))


def refused() -> Iterator[tuple[str, str]]:
    yield "many tokens", "{" + "a " * 10_001 + "}"
    yield "deep selections", "{ a " + "{ p " * 9_000
    yield "deep selections that end", "{ a " + "{ p " * 150 + "{ id }" + "}" * 151
    yield "deep lists", "{ a(l: " + "[" * 9_000
    yield "deep input objects", "{ a(f: " + "{f: " * 3_000
    yield "deep input objects that end", "{ a(f: " + "{f: " * 190 + "{k: x}" + "}" * 190 + ") { id } }"
    yield "aliases", "{" + " ".join(f"x{n}: a {{ id }}" for n in range(1_600)) + "}"
    yield "ten thousand aliases", "{" + " ".join(f"x{n}: a {{ id }}" for n in range(10_000)) + "}"
    yield "aliases below", "{ a {" + " ".join(f"x{n}: id" for n in range(3_000)) + "} }"
    yield "the same field", "{" + "a { id } " * 2_400 + "}"
    yield (
        "the same field in fragments",
        (
            "{ a {"
            + " ".join(f"...F{n}" for n in range(700))
            + "} }"
            + " ".join(f"fragment F{n} on P {{ id }}" for n in range(700))
        ),
    )
    yield (
        "doubling fragments",
        f"{{ a {{ ...F0 }} }} {bomb(18, 'x: p { NEXT } y: p { NEXT }')} fragment F18 on P {{ id }}",
    )
    yield "doubling spreads", f"{{ a {{ ...F0 }} }} {bomb(150, 'NEXT NEXT')} fragment F150 on P {{ id }}"
    yield "doubling spreads that nothing uses", f"{{ a {{ id }} }} {bomb(150, 'NEXT NEXT')} fragment F150 on P {{ id }}"
    circle = " ".join(f"fragment F{n} on P {{ ...F{(n + 1) % 1_000} }}" for n in range(1_000))
    yield "a circle of fragments", f"{{ a {{ ...F0 }} }} {circle}"
    yield "a fragment in itself", "{ a { ...F } } fragment F on P { p { ...F } id }"
    yield "directives", "{ a " + "@skip(if: true) " * 1_500 + "{ id } }"
    yield "directives below the limit of tokens", "{ a { " + "id @x @y @z " * 400 + "} }"
    yield (
        "introspection in circles",
        ("{ __schema { types { fields { type { fields { type { fields { type { fields { name } } } } } } } } } }"),
    )
    yield "unknown fields", "{ a {" + " ".join(f"x{n}" for n in range(480)) + "} }"
    yield "variables without a type", "query (" + " ".join(f"$v{n}: X" for n in range(2_000)) + ") { a { id } }"
    yield "many operations", " ".join("{ a { id } }" for _ in range(1_000))
    yield "a huge number", "{ a(k: " + "9" * 500_000 + ") { id } }"
    yield "a lone surrogate", '{ a(s: "\ud800") { id } }'


@pytest.fixture
def calls() -> Iterator[Callable[[], int]]:
    """Count calls of Python functions: work, in a unit that no busy machine changes."""
    count = 0

    def on_event(_frame: FrameType, event: str, _arg: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(on_event)
    yield lambda: count
    sys.setprofile(before)


@pytest.mark.parametrize("text", [text for _, text in refused()], ids=[name for name, _ in refused()])
def test_a_hostile_document_is_refused_after_a_bounded_number_of_steps(text: str, calls: Callable[[], int]) -> None:
    checked = Checks(SCHEMA).check(text)

    assert checked.document is None
    assert 1 <= len(checked.errors) <= MAX_ERRORS + 1
    assert calls() < MAX_CALLS
    assert all(len(error.message) < 1_100 for error in checked.errors)


@pytest.mark.parametrize("mode", [LimitMode.MEASURE, LimitMode.OFF])
@pytest.mark.parametrize("text", [text for _, text in refused()], ids=[name for name, _ in refused()])
def test_also_without_limits_checking_takes_a_bounded_number_of_steps(
    text: str, mode: LimitMode, calls: Callable[[], int]
) -> None:
    Checks(SCHEMA, GatewaySettings(limits=GraphQLLimits(mode=mode))).check(text)

    assert calls() < 5 * MAX_CALLS


SDL = """
type Query { some(ids: [Long!]): [Product] @topic(name: "products", keyArgument: "ids") }
type Product { id: Long name: String }
"""


def test_very_many_keys_are_refused_before_anything_is_read() -> None:
    executor = GatewayExecutor(parse_gateway_schema(SDL), NoMirrors(), "shop")
    query = "query ($ids: [Long!]) { some(ids: $ids) { id name } }"

    answer = executor.execute(query, None, {"ids": [1] * 400_000})

    (error,) = answer.pop("errors")
    assert {} == answer
    assert error["message"] == (
        "The operation asks for 1200001 values, as far as is known before, and 1000000 are allowed."
        " Give fewer keys, limit the lists, or split it."
    )


@pytest.mark.parametrize("value", [{"f": {}}, "x" * 500_000, 10**500, [[[[]]]], [None] * 10])
def test_variables_of_wrong_types_are_refused_before_anything_is_read(value: object) -> None:
    executor = GatewayExecutor(parse_gateway_schema(SDL), NoMirrors(), "shop")

    answer = executor.execute("query ($ids: [Long!]) { some(ids: $ids) { id } }", None, {"ids": value})

    assert ["errors"] == list(answer)


def test_deeply_nested_variables_are_refused_and_exhaust_no_stack() -> None:
    value: object = []
    for _ in range(5_000):
        value = [value]
    executor = GatewayExecutor(parse_gateway_schema(SDL), NoMirrors(), "shop")

    assert "errors" in executor.execute("query ($ids: [Long!]) { some(ids: $ids) { id } }", None, {"ids": value})


def test_a_topic_that_is_known_to_be_large_is_refused_before_it_is_read() -> None:
    sdl = 'type Query { all: [String] @topic(name: "products") }'
    entries = {"products": 1_000_000}
    executor = GatewayExecutor(parse_gateway_schema(sdl), NoMirrors(), "shop", entry_counts=entries.get)

    (error,) = executor.execute("{ all }")["errors"]

    assert error["message"].startswith("The operation asks for 1000001 values")
