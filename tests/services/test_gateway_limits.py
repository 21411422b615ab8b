from typing import Any

import pytest
from graphql import OperationDefinitionNode, get_introspection_query, parse

from core.gateway_settings import GraphQLLimits
from services.gateway.limits import MAX_ERRORS, Measure, Size, limit_errors

LIMITS = GraphQLLimits()
DOUBLING = " ".join(f"fragment F{n} on T {{ ...F{n + 1} ...F{n + 1} }}" for n in range(300))

SAME_FIELD = (
    "The operation asks for the same field 3 times beside one another, and 2 are allowed."
    " Ask for a list of keys instead, or split it."
)


def messages_of(text: str, **limits: Any) -> list[str]:
    return [error.message for error in limit_errors(parse(text), GraphQLLimits(**limits))]


def size_of(text: str) -> Size:
    document = parse(text)
    node = document.definitions[0]
    assert isinstance(node, OperationDefinitionNode)
    return Measure(document, LIMITS.max_breadth).size(node)


def nested(depth: int) -> str:
    return "{ a" * depth + "}" * depth


def test_the_deepest_allowed_operation_passes() -> None:
    assert [] == messages_of(nested(LIMITS.max_depth))


def test_a_deeper_one_is_told_with_both_numbers() -> None:
    assert ["The operation is 21 fields deep, and 20 are allowed. Ask in several steps."] == messages_of(nested(21))


def test_fragments_add_to_the_depth() -> None:
    text = f"{{ a {{ ...F }} }} fragment F on T {nested(LIMITS.max_depth - 1)}"

    assert [] == messages_of(text)
    assert 1 == len(messages_of(text.replace("{ a { ...F } }", "{ a { a { ... on T { ...F } } } }")))


def test_fields_of_fragments_count_wherever_they_are_used() -> None:
    assert [f"The operation asks for {2**10} fields, and 1000 are allowed. Split it."] == messages_of(
        f"{{ ...F290 }} {DOUBLING} fragment F300 on T {{ a }}",
        **dict.fromkeys(("max_breadth", "max_aliases", "max_root_fields"), 2_000),
        max_fields=1_000,
    )


def test_a_number_that_no_one_can_read_is_not_written() -> None:
    assert (
        "The operation asks for more than a billion fields, and 5000 are allowed. Split it."
        == messages_of(f"{{ ...F150 }} {DOUBLING} fragment F300 on T {{ a }}")[0]
    )


def test_each_operation_of_a_document_is_measured() -> None:
    assert 2 == len(messages_of(f"query A {nested(21)} query B {nested(22)} query C {nested(1)}"))


def test_all_measures_of_one_operation() -> None:
    text = "{ a { x: b y: b ...F } c } fragment F on T { z: b d { ... on T { e } } }"

    assert Size(depth=3, fields=7, root_fields=2, breadth=4, aliases=3) == size_of(text)


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        ({"max_breadth": 3}, "The operation asks for 4 fields beside one another, and 3 are allowed. Split it."),
        ({"max_aliases": 2}, SAME_FIELD),
        ({"max_root_fields": 1}, "The operation has 2 root fields, and 1 are allowed. Split it."),
        ({"max_directives": 2}, "The document has 3 directives, and 2 are allowed. Split it."),
        ({"max_fields": 6}, "The operation asks for 7 fields, and 6 are allowed. Split it."),
        ({"max_depth": 2}, "The operation is 3 fields deep, and 2 are allowed. Ask in several steps."),
    ],
)
def test_what_is_too_much_is_told_with_both_numbers(limit: dict[str, int], message: str) -> None:
    text = "query @u { a { x: b @u y: b ...F } c } fragment F on T { z: b d { ... on T @u { e } } }"

    assert [message] == messages_of(text, **limit)
    (name, number), *_ = limit.items()
    assert [] == messages_of(text, **{name: number + 1})


def test_a_fragment_that_nothing_uses_is_measured_too() -> None:
    assert ["A fragment is 21 fields deep, and 20 are allowed. Ask in several steps."] == messages_of(
        f"{{ a }} fragment F on T {nested(21)}"
    )


def test_of_very_many_complaints_some_are_told() -> None:
    assert MAX_ERRORS == len(messages_of(" ".join(f"query Q{n} {nested(21)}" for n in range(50))))


def test_fragments_that_are_missing_or_go_in_circles_are_left_to_validation() -> None:
    circle = " ".join(f"fragment F{n} on T {{ ...F{(n + 1) % 3} }}" for n in range(3))

    assert [] == messages_of(f"{{ ...F0 ...Unknown }} {circle}")


def test_a_long_chain_of_fragments_is_too_deep_and_exhausts_no_stack() -> None:
    chain = " ".join(f"fragment F{n} on T {{ ...F{n + 1} }}" for n in range(1_000))

    assert ["The document is nested more than 200 deep. Ask in several steps."] == messages_of(f"{{ ...F0 }} {chain}")


@pytest.mark.parametrize("uses", [1, 50])
def test_each_selection_is_visited_once_however_often_its_fragment_is_used(uses: int) -> None:
    document = parse(
        "{ " + "...F0 " * uses + f"}} {DOUBLING[: DOUBLING.index('fragment F100')]} fragment F100 on T {{ a }}"
    )
    measure = Measure(document, LIMITS.max_breadth)
    node = document.definitions[0]
    assert isinstance(node, OperationDefinitionNode)

    measure.size(node)

    assert uses + 2 * 100 + 1 == measure.visited


def test_the_introspection_query_of_tools_passes() -> None:
    assert [] == messages_of(get_introspection_query(input_value_deprecation=True, directive_is_repeatable=True))
