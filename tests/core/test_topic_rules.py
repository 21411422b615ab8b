import pytest

from core.errors import InvalidSdlError, QuickError
from core.sdl import parse_gateway_schema

KEY_NEEDED = (
    "When the return type is not a list for a non-mutation and non-subscription type, "
    "key information (keyArgument or keyField) is needed."
)
KEY_FIELD_IS_LIST = (
    "The topic directive is set on a field with a non list type. "
    "The keyField type should not be a list. Please consider using scalar a type."
)

BROKEN = {
    "subscription returns a list": (
        'type Query { q: Int } type Subscription { a: [Int] @topic(name: "t") }',
        "Kafka subscription must not return a list type",
    ),
    "two sources of keys": (
        'type Query { a(k: Int): Int @topic(name: "t", keyArgument: "k", keyField: "b") b: Int }',
        "keyArgument and keyField are mutually exclusive.",
    ),
    "one value without key": ('type Query { a: Int @topic(name: "t") }', KEY_NEEDED),
    "one non-null value without key": ('type Query { a: Int! @topic(name: "t") }', KEY_NEEDED),
    "one nested value without key": (
        'type Query { p: P } type P { a: Int @topic(name: "t") }',
        KEY_NEEDED,
    ),
    "key argument of another Query field": (
        'type Query { a(k: Int): Int @topic(name: "t", keyArgument: "other") b(other: Int): Int }',
        "Key argument has to be identical to the input name.",
    ),
    "nested key argument that nobody has": (
        'type Query { p(k: Int): P } type P { a: Int @topic(name: "t", keyArgument: "other") }',
        "Key argument has to be identical to the input name.",
    ),
    "subscription key argument that nobody has": (
        'type Query { q(k: Int): Int } type Subscription { a: Int @topic(name: "t", keyArgument: "x") }',
        "Key argument has to be identical to the input name.",
    ),
    "mutation with one argument": (
        'type Query { q: Int } type Mutation { a(k: Int): Int @topic(name: "t") }',
        "Mutation requires two input arguments",
    ),
    "mutation with three arguments": (
        'type Query { q: Int } type Mutation { a(k: Int, v: Int, w: Int): Int @topic(name: "t") }',
        "Mutation requires two input arguments",
    ),
    "range without end": (
        'type Query { a(k: Int, f: Int): [Int] @topic(name: "t", keyArgument: "k", rangeFrom: "f") }',
        "Both rangeFrom and rangeTo arguments should be set.",
    ),
    "range without begin": (
        'type Query { a(k: Int, f: Int): [Int] @topic(name: "t", keyArgument: "k", rangeTo: "f") }',
        "Both rangeFrom and rangeTo arguments should be set.",
    ),
    "range on a nested field": (
        (
            "type Query { p(k: Int): P } type P "
            '{ a: [Int] @topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u") }'
        ),
        "Range queries are only supported on Query types.",
    ),
    "range without key": (
        'type Query { a(f: Int, u: Int): [Int] @topic(name: "t", rangeFrom: "f", rangeTo: "u") }',
        "You must define a keyArgument.",
    ),
    "range from an unknown argument": (
        'type Query { a(k: Int, f: Int): [Int] @topic(name: "t", keyArgument: "k", rangeFrom: "x", rangeTo: "f") }',
        "The rangeFrom x has to be identical to an input name.",
    ),
    "range to an unknown argument": (
        'type Query { a(k: Int, f: Int): [Int] @topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "x") }',
        "The rangeTo x has to be identical to an input name.",
    ),
    "range of several keys": (
        (
            "type Query { a(k: [Int], f: Int, u: Int): [Int] "
            '@topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u") }'
        ),
        "A range belongs to one key. The keyArgument k should not be a list.",
    ),
    "range of one value": (
        (
            "type Query { a(k: Int, f: Int, u: Int): Int "
            '@topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u") }'
        ),
        "The return type of range queries should be a list.",
    ),
    "key field that does not exist": (
        'type Query { p: P } type P { a: Int @topic(name: "t", keyField: "id") }',
        "Could not find the keyField id in the parent type definition. Please check your schema.",
    ),
    "list key field that does not exist": (
        'type Query { p: P } type P { a: [Int] @topic(name: "t", keyField: "ids") }',
        "Could not find the keyField ids in the parent type definition. Please check your schema.",
    ),
    "list of keys for one value": (
        'type Query { p: P } type P { ids: [Int!]! a: Int @topic(name: "t", keyField: "ids") }',
        KEY_FIELD_IS_LIST,
    ),
    "one key for a list": (
        'type Query { p: P } type P { id: Int a: [Int] @topic(name: "t", keyField: "id") }',
        "The topic directive is set on a field with a list type. The keyField id should be a list of keys.",
    ),
    "one key argument for a list": (
        'type Query { a(k: Int): [Int] @topic(name: "t", keyArgument: "k") }',
        "The field returns a list. The keyArgument k should be a list of keys.",
    ),
    "list argument for one value": (
        'type Query { a(k: [Int]): Int @topic(name: "t", keyArgument: "k") }',
        "The field returns one value. The keyArgument k should not be a list.",
    ),
    "forwarded list of keys for one value": (
        'type Query { p(k: [Int]): P } type P { a: Int @topic(name: "t", keyArgument: "k") }',
        "The field returns one value. The keyArgument k should not be a list.",
    ),
    "forwarded key for a list": (
        'type Query { p(k: Int): P } type P { a: [Int] @topic(name: "t", keyArgument: "k") }',
        "The field returns a list. The keyArgument k should be a list of keys.",
    ),
    "range with several lower bounds": (
        (
            "type Query { a(k: Int, f: [Int], u: Int): [Int] "
            '@topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u") }'
        ),
        "A bound of a range is one value. The rangeFrom f should not be a list.",
    ),
    "list of lists": (
        'type Query { a: [[Int!]!]! @topic(name: "t") }',
        "A topic holds values and no lists of them. Let the field return a list of its values.",
    ),
    "topic without a name": (
        'type Query { a: [Int] @topic(name: "") }',
        'Topic name "" is invalid: Kafka takes 1 to 249 of the characters a-z, A-Z, 0-9, ".", "_" and "-".',
    ),
    "topic of the system": (
        'type Query { a: [Int] @topic(name: "__quick-log") }',
        'Topic name "__quick-log" is invalid: names that start with "__" belong to the system.',
    ),
}

KEPT = {
    "forwarded argument of one of several fields": (
        'type Query { p(k: Int): P q(k: [Int]): P } type P { a: Int @topic(name: "t", keyArgument: "k") }'
    ),
    "list without key": 'type Query { a: [Int] @topic(name: "t") }',
    "key argument": 'type Query { a(k: Int!): Int @topic(name: "t", keyArgument: "k") }',
    "list key argument, non-null outside": ('type Query { a(k: [Int]): [Int]! @topic(name: "t", keyArgument: "k") }'),
    "key field": 'type Query { p: P } type P { id: Int a: Int @topic(name: "t", keyField: "id") }',
    "list key field": 'type Query { p: P } type P { ids: [Int] a: [Int] @topic(name: "t", keyField: "ids") }',
    "forwarded argument": ('type Query { p(k: Int): P } type P { a: Int @topic(name: "t", keyArgument: "k") }'),
    "own argument of a nested field": (
        'type Query { p: P } type P { a(k: Int): Int @topic(name: "t", keyArgument: "k") }'
    ),
    "key field in an extension": (
        'type Query { p: P } type P { a: Int @topic(name: "t", keyField: "id") } extend type P { id: Int }'
    ),
    "mutation with key and value": (
        'type Query { q: Int } type Mutation { a(k: [Int], v: [Int]): [Int] @topic(name: "t") }'
    ),
    "range": (
        "type Query { a(k: Int, f: Int, u: Int): [Int] "
        '@topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u") }'
    ),
    "range, non-null": (
        "type Query { a(k: Int!, f: Int!, u: Int!): [Int!]! "
        '@topic(name: "t", keyArgument: "k", rangeFrom: "f", rangeTo: "u") }'
    ),
    "subscription": 'type Query { q: Int } type Subscription { a: Int @topic(name: "t") }',
}


def messages_of(sdl: str) -> list[str]:
    try:
        parse_gateway_schema(sdl)
    except InvalidSdlError as error:
        return [problem.message for problem in error.problems]
    except QuickError:
        return []  # right, but not to be served yet
    return []


@pytest.mark.parametrize(("sdl", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_told_in_its_words(sdl: str, message: str) -> None:
    assert [message] == messages_of(sdl)


@pytest.mark.parametrize("sdl", KEPT.values(), ids=KEPT.keys())
def test_nothing_is_told_where_all_rules_are_kept(sdl: str) -> None:
    assert [] == messages_of(sdl)


def test_one_field_tells_only_the_first_rule_that_it_breaks() -> None:
    topic = '@topic(name: "t", keyArgument: "x", keyField: "y")'
    sdl = f"type Query {{ q: Int }} type Subscription {{ a: [Int] {topic} }}"

    assert ["Kafka subscription must not return a list type"] == messages_of(sdl)


def test_every_field_tells_its_own() -> None:
    sdl = 'type Query { a: Int @topic(name: "t") b: Int @topic(name: "t", keyField: "z") }'

    assert 2 == len(messages_of(sdl))
