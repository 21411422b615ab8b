from typing import Any

import pytest

from core.errors import InvalidValueError
from core.types import TopicType
from services.gateway.keys import as_key


@pytest.mark.parametrize(
    ("given", "key_type", "key"),
    [
        ("a", TopicType.STRING, "a"),
        ("", TopicType.STRING, ""),
        (0, TopicType.INTEGER, 0),
        (-(2**31), TopicType.INTEGER, -(2**31)),
        (2**63 - 1, TopicType.LONG, 2**63 - 1),
        (5, TopicType.DOUBLE, 5.0),
        (1.5, TopicType.DOUBLE, 1.5),
        ({"id": 1}, TopicType.SCHEMA, {"id": 1}),
    ],
)
def test_a_fitting_value_is_a_key(given: Any, key_type: TopicType, key: Any) -> None:
    made = as_key(given, key_type, "t")

    assert (key, type(key)) == (made, type(made))


@pytest.mark.parametrize(
    ("given", "key_type"),
    [
        (1, TopicType.STRING),
        ("1", TopicType.LONG),
        (True, TopicType.INTEGER),
        (True, TopicType.DOUBLE),
        (5.0, TopicType.LONG),
        (1e300, TopicType.INTEGER),
        (2**31, TopicType.INTEGER),
        (2**63, TopicType.LONG),
        ("x", TopicType.SCHEMA),
        ([1], TopicType.INTEGER),
    ],
)
def test_nothing_is_narrowed_or_guessed(given: Any, key_type: TopicType) -> None:
    with pytest.raises(InvalidValueError, match="cannot be a key of topic"):
        as_key(given, key_type, "t")


def test_the_message_names_topic_type_and_way_out() -> None:
    with pytest.raises(InvalidValueError) as caught:
        as_key("abc", TopicType.LONG, "products")

    assert (
        "'abc' cannot be a key of topic \"products\", whose keys are of type long. "
        "Give the key argument or key field of the schema the type of the topic's keys." == str(caught.value)
    )
