from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from core.errors import ConflictError
from core.position import Position
from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway.executor import GatewayExecutor
from services.gateway.resolvers import SourceResolver
from services.gateway.sources import Arguments, Operation
from tests.services.memory_mirrors import MemoryMirrors

SDL = """
type Query { a: Int }
type Mutation { write(n: Int): Item  must(n: Int): Item!  many(n: Int): [Item!]! }
type Item { n: Int  name: String @topic(name: "names", keyField: "n") }
"""


def token(number: int) -> str:
    return Position("id", {0: number}).token()


class Writes:
    """Remembers the order of writes, and of reads between them."""

    def __init__(self, mirrors: MemoryMirrors, *, is_list: bool = False) -> None:
        self.asked = mirrors.asked
        self.is_list = is_list

    def fetch(self, operation: Operation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        number = arguments["n"]
        self.asked.append(("written", number))
        if number < 0:
            raise ConflictError(f"{number} is there already. Choose another.")
        operation.note_written("t", token(number))
        item = {"n": number if number != 13 else "no number"}
        return [[item, item | {"n": 2}] if self.is_list else item]


@pytest.fixture
def mirrors() -> MemoryMirrors:
    return MemoryMirrors(names=(TopicType.INTEGER, {1: "one", 2: "two"}))


@pytest.fixture(params=[True, False])
def writing(request: pytest.FixtureRequest, mirrors: MemoryMirrors) -> GatewayExecutor:
    executor = GatewayExecutor(parse_gateway_schema(SDL), mirrors, uses_plans=request.param)
    mutation = executor.executable.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        field.resolve = SourceResolver(Writes(mirrors, is_list=name == "many"))
    return executor


def test_fields_are_written_one_after_the_other_and_the_answer_tells_up_to_where(
    writing: GatewayExecutor, mirrors: MemoryMirrors
) -> None:
    answer = writing.execute("mutation { a: write(n: 1) { name } b: write(n: 2) { n name } }")

    assert {
        "data": {"a": {"name": "one"}, "b": {"n": 2, "name": "two"}},
        "extensions": {"positions": {"t": token(2)}},
    } == answer
    assert [("written", 1), ("names", [1]), ("written", 2), ("names", [2])] == mirrors.asked


def test_a_field_that_fails_is_written_once_and_the_others_still_are(
    writing: GatewayExecutor, mirrors: MemoryMirrors
) -> None:
    answer = writing.execute(
        "mutation { a: write(n: 1) { n } b: write(n: -1) { n } c: write(n: 13) { n } d: write(n: 2) { n } }"
    )

    assert {"a": {"n": 1}, "b": None, "c": {"n": None}, "d": {"n": 2}} == answer["data"]
    assert [["b"], ["c", "n"]] == [error["path"] for error in answer["errors"]]
    assert [1, -1, 13, 2] == [number for what, number in mirrors.asked if what == "written"]
    assert {"positions": {"t": token(13)}} == answer["extensions"], "the furthest of all writes"


def test_nothing_is_written_after_a_non_null_field_that_failed(
    writing: GatewayExecutor, mirrors: MemoryMirrors
) -> None:
    answer = writing.execute("mutation { a: must(n: 1) { n } b: must(n: -1) { n } c: must(n: 2) { n } }")

    assert answer["data"] is None
    assert [1, -1] == [number for what, number in mirrors.asked if what == "written"]
    assert {"positions": {"t": token(1)}} == answer["extensions"]


def test_a_list_is_joined_like_any_other(writing: GatewayExecutor, mirrors: MemoryMirrors) -> None:
    answer = writing.execute("mutation { many(n: 1) { name } }")

    assert {"many": [{"name": "one"}, {"name": "two"}]} == answer["data"]


def test_a_mutation_is_not_quick_and_is_known_as_one(writing: GatewayExecutor) -> None:
    prepared = writing.prepare("mutation { write(n: 1) { n } }")
    assert (True, False) == (prepared.is_mutation, prepared.is_quick)
