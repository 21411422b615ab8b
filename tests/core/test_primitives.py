import json
import math
import struct
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import InvalidValueError, Mismatch
from core.primitives import DoubleCodec, StringCodec, WholeNumberCodec
from core.types import Codec, TopicType, codec_for

STRING = StringCodec()
INTEGER = WholeNumberCodec(TopicType.INTEGER, struct.Struct(">i"))
LONG = WholeNumberCodec(TopicType.LONG, struct.Struct(">q"))
DOUBLE = DoubleCodec()

INTEGERS = st.integers(-(2**31), 2**31 - 1)
LONGS = st.integers(-(2**63), 2**63 - 1)


@given(st.text())
def test_string_bytes_are_utf_8(text: str) -> None:
    assert text.encode() == STRING.encode(STRING.from_text(text))
    assert text == STRING.decode(STRING.encode(text))
    assert text == STRING.to_json(STRING.from_json(text))


@given(INTEGERS)
def test_integer_bytes_are_four_big_endian(number: int) -> None:
    raw = INTEGER.encode(INTEGER.from_text(str(number)))
    assert struct.pack(">i", number) == raw
    assert number == INTEGER.to_json(INTEGER.decode(raw)) == INTEGER.from_json(number)


@given(LONGS)
def test_long_bytes_are_eight_big_endian(number: int) -> None:
    raw = LONG.encode(LONG.from_text(str(number)))
    assert struct.pack(">q", number) == raw
    assert number == LONG.to_json(LONG.decode(raw)) == LONG.from_json(str(number))


@given(st.floats(allow_nan=False))
def test_double_bytes_are_eight_big_endian(number: float) -> None:
    raw = DOUBLE.encode(DOUBLE.from_text(repr(number).replace("inf", "Infinity")))
    assert struct.pack(">d", number) == raw
    assert number == DOUBLE.decode(raw)


def test_every_nan_has_the_bytes_that_java_gives_it() -> None:
    negative = struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0]
    assert bytes.fromhex("7ff8000000000000") == DOUBLE.encode(negative) == DOUBLE.encode(DOUBLE.from_text("-NaN"))


@pytest.mark.parametrize(
    ("codec", "bits"), [pytest.param(INTEGER, 32, id="integer"), pytest.param(LONG, 64, id="long")]
)
def test_whole_numbers_end_at_their_bits(codec: WholeNumberCodec, bits: int) -> None:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert (low, high) == (codec.from_json(low), codec.from_json(high))
    for number in (low - 1, high + 1):
        for attempt in (codec.from_json, codec.encode):
            with pytest.raises(InvalidValueError):
                attempt(number)
        with pytest.raises(InvalidValueError, match=f"a whole number from {low} to {high}"):
            codec.from_text(str(number))


@pytest.mark.parametrize(("text", "expected"), [("5", 5), ("+5", 5), ("-0", 0), ("007", 7)])
def test_whole_numbers_are_read_with_an_optional_sign(text: str, expected: int) -> None:
    assert expected == INTEGER.from_text(text) == LONG.from_text(text)


@pytest.mark.parametrize(
    "text",
    ["", " 5", "5 ", "5.0", "1e3", "1_000", "0x5", "\u0665", "\u00b2", "--5", "+", "5\n", "1" * 10_000],
)
def test_what_python_alone_reads_as_a_whole_number_is_refused(text: str) -> None:
    for codec in (INTEGER, LONG):
        with pytest.raises(InvalidValueError, match="in decimal digits"):
            codec.from_text(text)
        with pytest.raises(InvalidValueError, match="Got: string"):
            codec.from_json(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1.0),
        (" \t1.5\n", 1.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-1e3", -1000.0),
        ("1E-2d", 0.01),
        ("1.1f", 1.1),
        ("+Infinity", math.inf),
        ("-Infinity", -math.inf),
        ("0x1p3", 8.0),
        ("-0x.8P-1F", -0.25),
        ("1e400", math.inf),
        ("-0x1p5000", -math.inf),
    ],
)
def test_doubles_are_read_as_java_reads_them(text: str, expected: float) -> None:
    assert expected == DOUBLE.from_text(text) == DOUBLE.from_json(text)


def test_nan_is_a_double_in_text() -> None:
    assert math.isnan(DOUBLE.from_text("NaN"))


@pytest.mark.parametrize(
    "text",
    ["", " ", ".", "1e", "1_0", "inf", "nan", "infinity", "NaNd", "0x1", "1L", "\u0665", "1\u00a0", "1 2"],
)
def test_what_java_cannot_read_as_a_double_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="cannot be read as double"):
        DOUBLE.from_text(text)


def test_negative_zero_keeps_its_sign() -> None:
    assert bytes.fromhex("8000000000000000") == DOUBLE.encode(DOUBLE.from_text("-0"))


def test_whole_json_numbers_are_doubles() -> None:
    assert 5.0 == DOUBLE.from_json(5)


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("text", "text"),
        (True, "true"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (["ä"], '["ä"]'),
    ],
)
def test_string_topics_store_other_nodes_as_their_json(node: Any, expected: str) -> None:
    assert expected == STRING.from_json(node)


@pytest.mark.parametrize(
    ("topic_type", "node", "expected"),
    [
        (TopicType.STRING, 5, "Data must be of type string. Got: number (5)"),
        (TopicType.STRING, None, "Data must be of type string. Got: null (null)"),
        (TopicType.INTEGER, 5.0, "Data must be of type integer. Got: number (5.0)"),
        (TopicType.INTEGER, True, "Data must be of type integer. Got: boolean (true)"),
        (TopicType.INTEGER, None, "Data must be of type integer. Got: null (null)"),
        (TopicType.INTEGER, 2**31, "Data must be of type integer. Got: number (2147483648)"),
        (TopicType.LONG, {"a": 1}, 'Data must be of type long. Got: object ({"a":1})'),
        (TopicType.LONG, "x", 'Data must be of type long. Got: string ("x")'),
        (TopicType.LONG, None, "Data must be of type long. Got: null (null)"),
        (TopicType.DOUBLE, [], "Data must be of type double. Got: array ([])"),
        (TopicType.DOUBLE, False, "Data must be of type double. Got: boolean (false)"),
        (TopicType.DOUBLE, None, "Data must be of type double. Got: null (null)"),
    ],
)
def test_nodes_of_another_type_are_refused(topic_type: TopicType, node: Any, expected: str) -> None:
    with pytest.raises(InvalidValueError) as refused:
        codec_for(topic_type).from_json(node)
    assert expected == str(refused.value)


def test_a_number_beyond_doubles_is_refused() -> None:
    for attempt in (DOUBLE.from_json, DOUBLE.encode):
        with pytest.raises(InvalidValueError):
            attempt(10**400)


def test_half_a_surrogate_pair_is_refused() -> None:
    for attempt in (STRING.from_text, STRING.from_json, STRING.encode):
        with pytest.raises(InvalidValueError, match="character 2 is half of a surrogate pair"):
            attempt("a\ud800")
    with pytest.raises(InvalidValueError):
        STRING.from_json(["\ud800"])


@pytest.mark.parametrize(
    ("topic_type", "raw", "expected"),
    [
        (TopicType.INTEGER, b"\0\0\1", "expected 4 bytes, found 3"),
        (TopicType.LONG, b"", "expected 8 bytes, found 0"),
        (TopicType.DOUBLE, bytes(9), "expected 8 bytes, found 9"),
        (TopicType.STRING, b"a\xff", "expected UTF-8, found the byte 0xff at index 1"),
    ],
)
def test_bytes_of_another_type_are_refused(topic_type: TopicType, raw: bytes, expected: str) -> None:
    with pytest.raises(InvalidValueError, match=f"not of type {topic_type.lower()}: {expected}"):
        codec_for(topic_type).decode(raw)


def test_non_finite_doubles_become_words_in_json() -> None:
    assert "NaN" == DOUBLE.to_json(math.nan)
    assert "-Infinity" == DOUBLE.to_json(-math.inf)


_JSON = (
    st.text()
    | st.integers(-(2**65), 2**65)
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([True, None, [], {}, 5.0, -0.0, 2**31, -(2**31) - 1, 2**63, -(2**63), 10**400])
)


@pytest.mark.parametrize("codec", [STRING, INTEGER, LONG, DOUBLE], ids=lambda codec: codec.type)
@given(_JSON.map(json.dumps))
def test_the_quick_way_from_json_gives_the_same_or_leaves_it(codec: Codec, text: str) -> None:
    try:
        value = msgspec.json.decode(text, type=codec.json_type)
    except msgspec.ValidationError:
        return
    expected = codec.from_json(msgspec.json.decode(text))
    assert (type(expected), codec.encode(expected)) == (type(value), codec.encode(value))


@pytest.mark.parametrize(
    ("codec", "text"), [(STRING, '"\u00e4"'), (INTEGER, "-2147483648"), (LONG, "9223372036854775807"), (DOUBLE, "5")]
)
def test_plain_values_take_the_quick_way(codec: Codec, text: str) -> None:
    assert codec.from_json(json.loads(text)) == msgspec.json.decode(text, type=codec.json_type)


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udc00\\ud800"', '"\\ud800x"'])
def test_half_a_surrogate_pair_never_gets_through_msgspec(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(text, type=STRING.json_type)


def test_a_refusal_holds_the_type_and_what_was_there() -> None:
    with pytest.raises(InvalidValueError) as refused:
        LONG.from_json("x")
    assert Mismatch("long", '"x"') == refused.value.mismatch
