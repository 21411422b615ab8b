from graphql import get_introspection_query, parse

from services.gateway.limits import MAX_DEPTH, MAX_FIELDS, limit_errors


def messages_of(text: str) -> list[str]:
    return [error.message for error in limit_errors(parse(text))]


def nested(depth: int) -> str:
    return "{ a" * depth + "}" * depth


def test_the_deepest_allowed_operation_passes() -> None:
    assert [] == messages_of(nested(MAX_DEPTH))


def test_a_deeper_one_is_told_with_both_numbers() -> None:
    assert ["The operation is 21 fields deep, and 20 are allowed. Ask in several steps."] == messages_of(nested(21))


def test_fragments_add_to_the_depth() -> None:
    text = f"{{ a {{ ...F }} }} fragment F on T {nested(MAX_DEPTH - 1)}"

    assert [] == messages_of(text)
    assert 1 == len(messages_of(text.replace("{ a { ...F } }", "{ a { a { ... on T { ...F } } } }")))


def test_fields_of_fragments_count_wherever_they_are_used() -> None:
    doubling = " ".join(f"fragment F{n} on T {{ ...F{n + 1} ...F{n + 1} }}" for n in range(30))

    assert [f"The operation asks for {2**30} fields, and {MAX_FIELDS} are allowed. Split it."] == messages_of(
        f"{{ ...F0 }} {doubling} fragment F30 on T {{ a }}"
    )


def test_each_operation_of_a_document_is_measured() -> None:
    assert 2 == len(messages_of(f"query A {nested(21)} query B {nested(22)} query C {nested(1)}"))


def test_the_introspection_query_of_tools_passes() -> None:
    assert [] == messages_of(get_introspection_query(input_value_deprecation=True, directive_is_repeatable=True))
