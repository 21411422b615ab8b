import gc
import tracemalloc

from graphql import build_schema

from core.sdl import parse_gateway_schema
from core.types import TopicType
from services.gateway.checks import Checks
from services.gateway.documents import Documents
from services.gateway.executor import GatewayExecutor
from tests.services.memory_mirrors import MemoryMirrors

SCHEMA = build_schema("type Query { a(k: Int, s: String): P } type P { id: Int p: P }")
CHECKS = Checks(SCHEMA)


def test_a_valid_document_is_parsed_once() -> None:
    documents = Documents(CHECKS, SCHEMA)

    assert documents.checked("{ a { id } }") is documents.checked("{ a { id } }")


def test_a_document_with_errors_takes_no_place() -> None:
    documents = Documents(CHECKS, SCHEMA)

    first, second = documents.checked("{ b }"), documents.checked("{ b }")

    assert first is not second
    assert ["Cannot query field 'b' on type 'Query'. Did you mean 'a'?"] == [error.message for error in first.errors]
    assert first.document is None


def test_what_was_not_used_for_longest_goes_first() -> None:
    documents = Documents(CHECKS, SCHEMA, max_documents=2)
    a, b = documents.checked("{ a { a: id } }"), documents.checked("{ a { b: id } }")
    documents.checked("{ a { a: id } }")

    documents.checked("{ a { c: id } }")

    assert a is documents.checked("{ a { a: id } }")
    assert b is not documents.checked("{ a { b: id } }")


def test_the_texts_together_are_bounded() -> None:
    documents = Documents(CHECKS, SCHEMA, max_characters=30)
    a = documents.checked("{ a { a: id } }")
    documents.checked("{ a { b: id } }")
    assert a is documents.checked("{ a { a: id } }")

    documents.checked("{ a { c: id  } }")

    assert a is not documents.checked("{ a { a: id } }")


def test_a_text_longer_than_all_may_be_is_not_kept_and_drives_nothing_out() -> None:
    documents = Documents(CHECKS, SCHEMA, max_characters=20)
    a = documents.checked("{ a { a: id } }")
    long_text = "{ a { id } }" + " " * 20

    assert documents.checked(long_text).document is not None
    assert documents.checked(long_text) is not documents.checked(long_text)
    assert a is documents.checked("{ a { a: id } }")


def test_a_thousand_documents_take_no_more_memory_when_they_come_again() -> None:
    sdl = 'type Query { a(k: Int): P @topic(name: "t", keyArgument: "k") } type P { id: Int p: P }'
    mirrors = MemoryMirrors(t=(TopicType.INTEGER, {1: {"id": 1, "p": {"id": 2}}}))
    executor = GatewayExecutor(parse_gateway_schema(sdl), mirrors)

    def round_of_a_thousand() -> int:
        for n in range(1_000):
            alias = f"f{n}"
            answer = executor.execute(f"{{ a(k: 1) {{ {alias}: id p {{ id }} }} }}")
            assert {"a": {alias: 1, "p": {"id": 2}}} == answer["data"]
        mirrors.asked.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        warm = round_of_a_thousand()
        growths = [round_of_a_thousand() - warm for _ in range(2)]
    finally:
        tracemalloc.stop()
    assert max(growths) < warm / 100
