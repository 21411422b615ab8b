import pytest

from core.errors import InvalidInputError
from core.topic_type import TopicType


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("string", TopicType.STRING),
        ("Integer", TopicType.INTEGER),
        ("int", TopicType.INTEGER),
        ("INT", TopicType.INTEGER),
        ("lOnG", TopicType.LONG),
        ("double", TopicType.DOUBLE),
        ("SCHEMA", TopicType.SCHEMA),
    ],
)
def test_names_are_read_in_any_letter_case(text: str, expected: TopicType) -> None:
    assert expected is TopicType.parse(text)


@pytest.mark.parametrize("text", ["avro", "PROTOBUF", "", " string", "float", "ints"])
def test_other_names_are_refused_with_the_choices(text: str) -> None:
    with pytest.raises(InvalidInputError, match="Choose one of: string, integer, long, double, schema"):
        TopicType.parse(text)
