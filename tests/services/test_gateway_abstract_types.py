from typing import Any

import pytest

from core.errors import InvalidValueError
from services.gateway.abstract_types import concrete_type_name, unwrapped

PETS = frozenset({"Cat", "Dog"})


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        ({}, "Cat", "Cat"),
        ({}, "zoo.pets.Dog", "Dog"),
        ({"__typename": "Cat"}, "zoo.Dog", "Dog"),
        ({"__typename": "Cat"}, None, "Cat"),
        ({"__typename": "Cat"}, "zoo.AnimalValue", "Cat"),
    ],
)
def test_the_readers_name_goes_before_that_of_the_value(value: Any, hint: str | None, expected: str) -> None:
    assert expected == concrete_type_name(value, hint, PETS)


@pytest.mark.parametrize("hint", [None, "zoo.AnimalValue"])
def test_the_only_type_that_is_possible_needs_no_name(hint: str | None) -> None:
    assert "Cat" == concrete_type_name({}, hint, frozenset({"Cat"}))


@pytest.mark.parametrize(
    ("value", "hint", "said"),
    [
        ({}, None, "A value says nothing of its type, and the schema takes Cat, Dog."),
        ({"__typename": None}, None, "A value says nothing of its type"),
        ({}, "zoo.Bird", "A value is of the type 'Bird', and the schema takes Cat, Dog."),
        ({"__typename": "Bird"}, "Animal", "A value is of the type 'Bird'"),
        ({"__typename": ["Cat"]}, None, "A value is of the type ['Cat']"),
        ({"__typename": "x" * 5000}, None, "A value is of the type 'xxx"),
        (5, None, "A value says nothing of its type"),
    ],
)
def test_an_unknown_type_is_an_error_with_the_way_out(value: Any, hint: str | None, said: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        concrete_type_name(value, hint, PETS)

    assert said in str(caught.value)
    assert "let the value have a field __typename" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_value_may_contradict_the_only_type() -> None:
    with pytest.raises(InvalidValueError, match="is of the type 'Bird', and the schema takes Cat"):
        concrete_type_name({"__typename": "Bird"}, None, frozenset({"Cat"}))


def test_a_branch_of_a_union_is_told_from_a_value() -> None:
    assert ({"a": 1}, "zoo.Cat") == unwrapped(("zoo.Cat", {"a": 1}))
    assert (["zoo.Cat", {}], None) == unwrapped(["zoo.Cat", {}])
    assert ({}, None) == unwrapped({})
