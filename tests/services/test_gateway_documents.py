from graphql import build_schema

from services.gateway.checks import Checks
from services.gateway.documents import Documents

CHECKS = Checks(build_schema("type Query { a(k: Int, s: String): P } type P { id: Int p: P }"))


def test_a_valid_document_is_parsed_once() -> None:
    documents = Documents(CHECKS)

    assert documents.checked("{ a { id } }") is documents.checked("{ a { id } }")


def test_a_document_with_errors_takes_no_place() -> None:
    documents = Documents(CHECKS)

    first, second = documents.checked("{ b }"), documents.checked("{ b }")

    assert first is not second
    assert ["Cannot query field 'b' on type 'Query'. Did you mean 'a'?"] == [error.message for error in first.errors]
    assert first.document is None


def test_what_was_not_used_for_longest_goes_first() -> None:
    documents = Documents(CHECKS, max_documents=2)
    a, b = documents.checked("{ a { a: id } }"), documents.checked("{ a { b: id } }")
    documents.checked("{ a { a: id } }")

    documents.checked("{ a { c: id } }")

    assert a is documents.checked("{ a { a: id } }")
    assert b is not documents.checked("{ a { b: id } }")


def test_the_texts_together_are_bounded() -> None:
    documents = Documents(CHECKS, max_characters=30)
    a = documents.checked("{ a { a: id } }")
    documents.checked("{ a { b: id } }")
    assert a is documents.checked("{ a { a: id } }")

    documents.checked("{ a { c: id  } }")

    assert a is not documents.checked("{ a { a: id } }")


def test_a_text_longer_than_all_may_be_is_not_kept_and_drives_nothing_out() -> None:
    documents = Documents(CHECKS, max_characters=20)
    a = documents.checked("{ a { a: id } }")
    long_text = "{ a { id } }" + " " * 20

    assert documents.checked(long_text).document is not None
    assert documents.checked(long_text) is not documents.checked(long_text)
    assert a is documents.checked("{ a { a: id } }")
