"""The rules that a `@topic` on a field of Mutation has to follow, beside those of every `@topic`.

Such a field writes: its first argument is the key, its second one the value, or both are lists of them. It returns
what it has written.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from graphql import InputValueDefinitionNode, OperationType

from core.topic_rules import TopicUse, lists_in, named_type


def _key_comes_from_the_first_argument(use: TopicUse, key: str, _value: str) -> str | None:
    if use.topic.key_field is not None:
        return f"A mutation takes its key from its first argument, {key}. Remove keyField."
    if use.topic.key_argument not in {None, key}:
        return f"A mutation takes its key from its first argument. Let keyArgument be {key}, or leave it out."
    return None


def _one_record_or_a_list(use: TopicUse, key: str, value: str) -> str | None:
    keys, values = (lists_in(argument.type) for argument in use.field.arguments)
    if keys > 1 or values > 1:
        return f"A mutation writes one record or a list of them. Let {key} and {value} be no lists of lists."
    if keys != values:
        return (
            f"A mutation writes as many records as it has keys. Let both {key} and {value} be lists, or none of them."
        )
    if lists_in(use.field.type) != values:
        written, wanted = ("a list of records", "a list of them") if values else ("one record", "no list")
        return f"The mutation writes {written}. Let it return {wanted}."
    return None


def _what_is_written_comes_back(use: TopicUse, _key: str, _value: str) -> str | None:
    written, returned = named_type(use.field.arguments[1].type), named_type(use.field.type)
    if use.types.is_input(written) and use.types.is_leaf(returned):
        return f"A mutation returns what it has written. Let it return an object type like {written}, not {returned}."
    if use.types.is_leaf(written) and use.types.is_composite(returned):
        return f"A mutation returns what it has written. Let it return {written}, not {returned}."
    return None


_Rule = Callable[[TopicUse, str, str], str | None]

_OF_TWO_ARGUMENTS: Final[tuple[_Rule, ...]] = (
    _key_comes_from_the_first_argument,
    _one_record_or_a_list,
    _what_is_written_comes_back,
)


def _if_a_mutation(rule: _Rule) -> Callable[[TopicUse], str | None]:
    """Return *rule* for every `@topic`; how many arguments a mutation has is told by the rules for all."""

    def of_any(use: TopicUse) -> str | None:
        arguments: Sequence[InputValueDefinitionNode] = use.field.arguments
        if not use.is_on(OperationType.MUTATION) or len(arguments) != len(("key", "value")):
            return None
        return rule(use, *(argument.name.value for argument in arguments))

    return of_any


MUTATION_RULES: Final = tuple(map(_if_a_mutation, _OF_TWO_ARGUMENTS))
"""In the order in which they are checked."""
