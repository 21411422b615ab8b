from __future__ import annotations

import gzip
from collections.abc import AsyncIterator, Iterator

import pytest
from falcon.asgi import Request, Response
from falcon.testing import Result, TestClient

from services.compression import IN_THREAD_BYTES, MIN_BYTES, compressed, takes_gzip
from services.gateway.resource import GraphQLResource
from tests.services.gateway_app import URL, OneMirror, app, resource

QUERY = {"query": "{ products }"}


@pytest.fixture
def mirror() -> OneMirror:
    return OneMirror()


@pytest.fixture
def graphql(mirror: OneMirror) -> Iterator[GraphQLResource]:
    graphql = resource(mirror)
    yield graphql
    graphql.close()


def get(graphql: GraphQLResource, accept_encoding: str | None, *, level: int = 1) -> Result:
    headers = {"Accept": "*/*"} | ({} if accept_encoding is None else {"Accept-Encoding": accept_encoding})
    return TestClient(app(graphql, gzip_level=level)).simulate_get(URL, params=QUERY, headers=headers)


@pytest.mark.parametrize("length", [MIN_BYTES, IN_THREAD_BYTES + 1])
def test_a_long_answer_is_packed_for_whoever_takes_it(graphql: GraphQLResource, mirror: OneMirror, length: int) -> None:
    mirror.values = {1: "x" * length}

    plain, packed = get(graphql, None), get(graphql, "gzip, br")

    assert (None, "gzip") == (plain.headers.get("content-encoding"), packed.headers["content-encoding"])
    assert plain.content == gzip.decompress(packed.content)
    assert str(len(packed.content)) == packed.headers["content-length"]
    assert ["Accept-Encoding", "Accept-Encoding"] == [plain.headers["vary"], packed.headers["vary"]]


def test_a_short_answer_is_sent_as_it_is(graphql: GraphQLResource) -> None:
    result = get(graphql, "gzip")

    assert (None, {"data": {"products": ["Shoes"]}}) == (result.headers.get("content-encoding"), result.json)


def test_level_0_packs_nothing(graphql: GraphQLResource, mirror: OneMirror) -> None:
    mirror.values = {1: "x" * IN_THREAD_BYTES}

    assert "content-encoding" not in get(graphql, "gzip", level=0).headers


def test_what_is_no_json_is_sent_as_it_is(graphql: GraphQLResource) -> None:
    result = TestClient(app(graphql)).simulate_get(
        "/gateway/shop/graphiql-assets/graphiql.min.js", headers={"Accept-Encoding": "gzip"}
    )

    assert len(result.content) > MIN_BYTES
    assert "content-encoding" not in result.headers


class Plain:
    """Answers with JSON, whole or as a stream."""

    async def on_get(self, req: Request, resp: Response) -> None:
        resp.content_type = "application/json"
        if req.get_param_as_bool("stream"):
            resp.stream = self._pieces()
        else:
            resp.data = b"[" + b" " * MIN_BYTES + b"]"

    async def _pieces(self) -> AsyncIterator[bytes]:
        yield b"[" + b" " * MIN_BYTES
        yield b"]"


@pytest.mark.parametrize(
    ("path", "is_packed"), [("/mirror/t", True), ("/mirror/t?stream=true", False), ("/manager/log", False)]
)
def test_answers_of_mirrors_are_packed_and_streams_are_not(
    graphql: GraphQLResource,
    path: str,
    is_packed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    made = app(graphql)
    made.add_route("/mirror/t", Plain())
    made.add_route("/manager/log", Plain())
    address, _, query = path.partition("?")

    result = TestClient(made).simulate_get(address, query_string=query, headers={"Accept-Encoding": "gzip"})

    assert is_packed == ("content-encoding" in result.headers)
    assert b"[" + b" " * MIN_BYTES + b"]" == (gzip.decompress(result.content) if is_packed else result.content)


@pytest.mark.parametrize(
    "accept_encoding", ["gzip", "GZIP", "x-gzip", "br, gzip;q=0.1", "*", "*;q=0.5", "gzip;q=1, identity;q=0.5"]
)
def test_gzip_is_taken(accept_encoding: str) -> None:
    assert takes_gzip(accept_encoding)


@pytest.mark.parametrize(
    "accept_encoding",
    [
        "",
        "br",
        "identity",
        "gzip;q=0",
        "*, gzip;q=0",
        "gzip; q=0.0",
        "*;q=0",
        "gzip;q=0.5, identity",
        "gzip;q=x",
        ";;,",
    ],
)
def test_gzip_is_not_taken(accept_encoding: str) -> None:
    assert not takes_gzip(accept_encoding)


@pytest.mark.parametrize("level", [1, 5, 9])
def test_what_is_packed_comes_out_again(level: int) -> None:
    data = b"answer " * 1_000

    assert data == gzip.decompress(compressed(data, level))
