from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from graphql import ExecutionResult, GraphQLObjectType, build_schema, execute_sync, parse

from core.errors import InvalidValueError
from services.gateway.abstract_types import concrete_type_name, unwrapped
from services.gateway.operations import RunningOperation
from services.gateway.planned_operations import PlannedOperation, PlanRoom
from services.gateway.records import PASS_THROUGH
from services.gateway.resolvers import PropertyResolver, SourceResolver
from services.gateway.sources import Arguments, Operation
from tests.services.memory_mirrors import MemoryMirrors


class OneValue:
    """Gives one value."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def fetch(self, operation: Operation, parents: Sequence[Any], arguments: Arguments) -> Sequence[Any]:
        return [self.value] * len(parents)


ZOO = """
type Query { pet: Pet  pets: [Pet!]  any: [Any] }
interface Pet { name: String }
type Cat implements Pet { name: String  lives: Int }
type Dog implements Pet { name: String  owner: Owner }
type Owner { name: String }
union Any = Cat | Owner
"""


def zoo(**roots: Any) -> Any:
    schema = build_schema(ZOO)
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for name, field in type_.fields.items():
                field.resolve = PropertyResolver(name)
    for name, value in roots.items():
        assert schema.query_type is not None
        schema.query_type.fields[name].resolve = SourceResolver(OneValue(value))
    return schema


def planned_operation(schema: Any, query: str, room: PlanRoom | None = None) -> PlannedOperation:
    document: Any = parse(query)
    return PlannedOperation(schema, document, document.definitions[0], room or PlanRoom())


def planned(schema: Any, query: str) -> Any:
    plan = planned_operation(schema, query).plan({})
    assert plan is not None
    return plan.execute(RunningOperation(MemoryMirrors()), {})


def by_graphql_core(schema: Any, query: str) -> ExecutionResult:
    operation = RunningOperation(MemoryMirrors())

    def type_of(value: Any, _info: Any, abstract: Any) -> str:
        possible = frozenset(type_.name for type_ in schema.get_possible_types(abstract))
        return concrete_type_name(*unwrapped(value), possible)

    result = execute_sync(schema, parse(query), PASS_THROUGH, operation, type_resolver=type_of)
    assert isinstance(result, ExecutionResult)
    return result


def test_the_type_of_a_value_of_an_interface_or_a_union_is_told_by_its_name_or_a_field() -> None:
    cat, dog = ("zoo.Cat", {"name": "Tom", "lives": 9}), {"__typename": "Dog", "name": "Rex", "owner": {"name": "Ann"}}
    schema = zoo(pet=cat, pets=[cat, dog], any=[("Owner", {"name": "Ann"}), None])
    query = """{
      pet { __typename name ... on Cat { lives } }
      pets { ... on Dog { owner { name } } ...Named }
      any { __typename ... on Owner { name } }
    } fragment Named on Pet { name }"""

    assert (
        {
            "pet": {"__typename": "Cat", "name": "Tom", "lives": 9},
            "pets": [{"name": "Tom"}, {"owner": {"name": "Ann"}, "name": "Rex"}],
            "any": [{"__typename": "Owner", "name": "Ann"}, None],
        }
        == planned(schema, query)
        == by_graphql_core(schema, query).data
    )


def test_a_value_whose_type_nothing_tells_is_an_error_with_the_way_out() -> None:
    schema = zoo(pets=[{"name": "Tom"}, ("zoo.Bird", {"name": "Tweety"})])

    with pytest.raises(InvalidValueError):
        planned(schema, "{ pets { name } }")
    result = by_graphql_core(schema, "{ pets { name } }")
    assert {"pets": None} == result.data
    assert result.errors is not None
    assert "A value says nothing of its type, and the schema takes Cat, Dog." in result.errors[0].message


def test_the_fields_of_all_plans_are_bounded_as_long_as_the_plans_live() -> None:
    room = PlanRoom(7)
    schema = zoo()
    first, second, small = (
        planned_operation(schema, query, room)
        for query in (
            "{ pet { name ... on Dog { owner { name } } } }",
            "{ pets { name __typename } }",
            "{ any { __typename } }",
        )
    )
    plan = first.plan({})
    assert plan is not None
    assert (5, 2) == (plan.field_count, room.left)
    assert second.plan({}) is None
    del plan, first
    assert second.plan({}) is not None
    assert small.plan({}) is None
