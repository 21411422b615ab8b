"""Pages, keys that no path can hold, and batches, on a mirror in memory."""

from __future__ import annotations

from typing import Any

import falcon.testing
import pytest

from core.avro import AvroCodec
from core.errors import NotFoundError, UnreadableEntryError
from core.primitives import StringCodec
from core.registered_schema import RegisteredSchema
from projections.mirror_entries import Entry
from projections.pages import Page
from projections.windows import Window
from services.mirrors import pages
from services.mirrors.entry_frames import MEDIA_TYPE, FoundValue, decode_entries, encode_keys
from services.mirrors.keys import MAX_KEYS
from services.mirrors.values import value_of
from services.topic_access import TopicAccess
from tests.services.mirror_app import VALUES, MemoryMirror, MirrorApp, get

ODD_KEYS = ("", "keys", "a,b", "batch", "range/x", "index/x", "x/", "ä%2F", "a/b", "range", "index")


@pytest.fixture
def mirror() -> MemoryMirror:
    mirror = MemoryMirror()
    for number, key in enumerate(ODD_KEYS):
        mirror.write(key, number)
    return mirror


@pytest.fixture
def client(mirror: MemoryMirror) -> falcon.testing.TestClient:
    return MirrorApp(mirror).client()


def post(client: falcon.testing.TestClient, body: bytes, kind: str = "application/json") -> Any:
    return client.simulate_post("/mirror/t/mirror/batch", body=body, headers={"Content-Type": kind})


def test_pages_go_through_all_keys_each_once(client: falcon.testing.TestClient) -> None:
    found, after = [], ""
    while True:
        status, body = get(client, f"/mirror/t/mirror?limit=3&keys=true{after}")
        assert 200 == status
        found += body["value"]
        if body["next"] is None:
            break
        after = f"&after={body['next']}"
    expected = [{"key": key, "value": ODD_KEYS.index(key)} for key in sorted(ODD_KEYS, key=str.encode)]
    assert expected == found


def test_a_stream_has_the_same_with_and_without_keys(client: falcon.testing.TestClient) -> None:
    whole = get(client, "/mirror/t/mirror?limit=1000&keys=true")[1]["value"]
    assert {"value": whole} == get(client, "/mirror/t/mirror?keys=true")[1]
    assert {"value": [pair["value"] for pair in whole]} == get(client, "/mirror/t/mirror")[1]
    assert {"value": []} == get(MirrorApp(MemoryMirror()).client(), "/mirror/t/mirror")[1]
    assert {"value": [], "next": None} == get(MirrorApp(MemoryMirror()).client(), "/mirror/t/mirror?limit=1")[1]


def test_what_a_page_cannot_be_asked_for_is_refused(client: falcon.testing.TestClient) -> None:
    for query in ("limit=0", "limit=10001", "after=x", "after=", "keys=1", "limit=1&limit=2", "lim=1", "key=a&limit=1"):
        assert 400 == get(client, f"/mirror/t/mirror?{query}")[0], query


def test_a_page_ends_early_where_its_values_are_too_many_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "MAX_ANSWER_BYTES", 1000)
    monkeypatch.setattr(pages, "_READ_AT_ONCE", 2)
    entries = [Entry(0, 0, b"%03d" % number, b"v" * 100) for number in range(50)]

    def read(window: Window) -> Page:
        start = 0 if window.after is None else int(window.after)
        following = start + (window.limit or 0)
        return Page(entries[start:following], b"%d" % following if following < len(entries) else None)

    found: list[Entry] = []
    page = pages.bounded_page(read, Window(limit=50))
    while page.next is not None:
        assert 12 == len(page.entries)
        found += page.entries
        page = pages.bounded_page(read, Window(after=page.next, limit=50))
    assert entries == found + page.entries


def test_any_key_can_be_a_parameter(client: falcon.testing.TestClient) -> None:
    for number, key in enumerate(ODD_KEYS):
        answer = client.simulate_get("/mirror/t/mirror", params={"key": key}, params_csv=False)
        assert (200, {"value": number}) == (answer.status_code, answer.json), key
    assert (404, "Key ä does not exist in Mirror") == get(client, "/mirror/t/mirror?key=%C3%A4")


def test_keys_with_commas_are_exact_ones(client: falcon.testing.TestClient) -> None:
    expected = {"value": [2, 1, None], "missing": ["b"]}
    assert (200, expected) == get(client, "/mirror/t/mirror/keys?ids=a,b&ids=keys&ids=b&exact=true")
    expected = {"value": [None, None, 1], "missing": ["a", "b"]}
    assert (200, expected) == get(client, "/mirror/t/mirror/keys?ids=a,b&ids=keys")
    for query in ("exact=true", "ids=a&exact=1", "ids=a&limit=1"):
        assert 400 == get(client, f"/mirror/t/mirror/keys?{query}")[0]


def test_a_batch_is_answered_in_the_order_of_its_keys(client: falcon.testing.TestClient) -> None:
    for field in ("keys", "ids"):
        answer = post(client, b'{"%b": ["a,b", "nobody", "", "a,b"]}' % field.encode())
        assert {"value": [2, None, 0, 2], "missing": ["nobody"]} == answer.json
    assert {"value": []} == post(client, b'{"keys": []}').json


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "application/json", 400),
        (b'{"keys": ["a"], "ids": ["a"]}', "application/json", 400),
        (b'{"keys": [1]}', "application/json", 400),
        (b'{"ids": [1]}', "application/json", 400),
        (b'{"keys": [' + b'"a",' * MAX_KEYS + b'"a"]}', "application/json", 413),
        (b"x", "application/xml", 415),
        (b"x", MEDIA_TYPE, 400),
        (encode_keys([b"a"] * (MAX_KEYS + 1)), MEDIA_TYPE, 413),
    ],
)
def test_a_batch_that_cannot_be_read_is_refused(
    client: falcon.testing.TestClient, body: bytes, kind: str, status: int
) -> None:
    answer = post(client, body, kind)
    assert status == answer.status_code
    assert answer.json["detail"]


def test_bytes_come_as_they_are_and_nothing_is_decoded(mirror: MemoryMirror) -> None:
    raw = b"\xff\x00 no text, no number"
    mirror.last[raw] = Entry(0, 17, raw, b"not eight bytes")
    client = MirrorApp(mirror).client()
    answer = post(client, encode_keys([raw, b"nobody", StringCodec().encode("a/b")]), f"{MEDIA_TYPE}; v=1")
    assert (200, MEDIA_TYPE) == (answer.status_code, answer.headers["content-type"])
    assert [FoundValue(17, b"not eight bytes"), None, FoundValue(8, VALUES.encode(8))] == decode_entries(answer.content)


def test_a_record_that_cannot_be_read_is_told_with_its_place(mirror: MemoryMirror) -> None:
    mirror.last[b"bad"] = Entry(3, 17, b"bad", b"not eight bytes")
    status, detail = get(MirrorApp(mirror).client(), "/mirror/t/mirror/bad")
    assert 500 == status
    assert "A record in partition 3 of topic t cannot be read (the bytes of its key are 626164)" in detail


def test_a_schema_id_that_nobody_has_given_is_no_missing_key() -> None:
    def unknown(schema_id: int) -> RegisteredSchema:
        raise NotFoundError(f"Schema {schema_id} not found")

    schema = RegisteredSchema(schema_id=1, schema_type="AVRO", schema='{"type":"record","name":"R","fields":[]}')
    access = TopicAccess("t", "id", StringCodec(), AvroCodec(schema, unknown), 1, None)
    with pytest.raises(UnreadableEntryError, match=r"partition 2 of topic t .* Schema 9 not found"):
        value_of(access, Entry(2, 0, b"k", b"\0\0\0\0\x09"))


def test_this_address_answers_for_all_partitions(client: falcon.testing.TestClient) -> None:
    status, body = get(client, "/mirror/t/streams/partitions")
    assert (200, ["0"]) == (status, list(body))
    host, _, port = body["0"].rpartition(":")
    assert host
    assert port.isdigit()
