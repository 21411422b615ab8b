"""GraphQL over HTTP on the wire: what the specification asks of a server, statement by statement.

MUST, SHOULD and MAY are the specification's. Where a row deviates from a SHOULD, it says so.
"""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

import pytest
import uvicorn

from core.gateway_settings import GatewaySettings
from tests.running import until
from tests.services.gateway_app import URL, OneMirror, app, resource

JSON = "application/json"
GRAPHQL = "application/graphql-response+json"
BOTH = pytest.mark.parametrize("accept", [JSON, GRAPHQL])
PRODUCTS = {"data": {"products": ["Shoes"]}}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        return self.headers["content-type"].partition(";")[0]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    graphql = resource(OneMirror(), GatewaySettings(max_batch=3))
    config = uvicorn.Config(
        app(graphql), port=0, http="httptools", lifespan="off", log_config=None, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(30)
    graphql.close()


class Client:
    def __init__(self, port: int) -> None:
        self._port = port

    def send(self, method: str, url: str = URL, body: bytes | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.putrequest(method, url, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def post(self, body: Any, *, accept: str | None = "*/*", content_type: str | None = JSON, **headers: str) -> Answer:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        if accept is not None:
            headers["Accept"] = accept
        if content_type is not None:
            headers["Content_Type"] = content_type
        return self.send("POST", body=encoded, **headers)

    def get(self, *, accept: str = "*/*", **parameters: str) -> Answer:
        return self.send("GET", f"{URL}?{urlencode(parameters)}", Accept=accept)


@pytest.fixture
def client(port: int) -> Client:
    return Client(port)


@BOTH
def test_must_accept_post_of_json_in_utf_8_with_or_without_a_charset(client: Client, accept: str) -> None:
    for content_type in (JSON, f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8", f'{JSON}; charset="utf-8"'):
        answer = client.post({"query": "{ products }"}, accept=accept, content_type=content_type)
        assert (200, PRODUCTS) == (answer.status, answer.json)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (JSON, JSON),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}; charset=utf-8", GRAPHQL),
        (f"{GRAPHQL}; charset=utf-8, {JSON}; charset=utf-8", GRAPHQL),
        (f"{JSON}, {GRAPHQL}", GRAPHQL),
        (f"{GRAPHQL};q=0.5, {JSON}", JSON),
        (f"{GRAPHQL};q=0, {JSON};q=0.1", JSON),
        (f"{JSON};q=0.9, */*;q=0.1", JSON),
        (f"*/*;q=0.1, {GRAPHQL}", GRAPHQL),
        ("application/*", JSON),
        ("*/*", JSON),
        (None, GRAPHQL),
    ],
)
def test_must_answer_in_the_media_type_of_highest_priority(client: Client, accept: str | None, media_type: str) -> None:
    assert media_type == client.post({"query": "{ products }"}, accept=accept).media_type


def test_should_name_the_encoding_of_the_answer(client: Client) -> None:
    answer = client.post({"query": "{ products }"}, accept=GRAPHQL)

    assert f"{GRAPHQL}; charset=utf-8" == answer.headers["content-type"]


@pytest.mark.parametrize("accept", ["text/html", "image/png", f"{JSON};q=0", f"{GRAPHQL};q=0, {JSON};q=0", "text/*"])
def test_recommended_406_where_no_accepted_media_type_is_there(client: Client, accept: str) -> None:
    answer = client.post({"query": "{ products }"}, accept=accept)

    assert (406, JSON, ["errors"]) == (answer.status, answer.media_type, list(answer.json))


REFUSED = [
    ("no JSON", b"NONSENSE", 400, 400),
    ("half of JSON", b'{"query":', 400, 400),
    ("no body", b"", 400, 400),
    ("JSON in another encoding", '{"query": "{ products }"}'.encode("utf-16"), 400, 400),
    ("no query", {"qeury": "{ products }"}, 422, 400),
    ("a query of null", {"query": None}, 422, 400),
    ("a query of another type", {"query": {"a": 1}}, 422, 400),
    ("a list of variables", {"query": "{ products }", "variables": [7]}, 422, 400),
    ("a text of variables", {"query": "{ products }", "variables": "{}"}, 422, 400),
    ("a name of another type", {"query": "{ products }", "operationName": 7}, 422, 400),
    ("a list of extensions", {"query": "{ products }", "extensions": []}, 422, 400),
    ("an id of another type", {"documentId": 7}, 422, 400),
    ("a number", 7, 422, 400),
    ("null", None, 422, 400),
]


@pytest.mark.parametrize(
    ("body", "in_json", "in_graphql"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_should_answer_4xx_to_what_is_no_well_formed_request(
    client: Client, body: Any, in_json: int, in_graphql: int
) -> None:
    """The specification suggests 400 in either media type; 422 in JSON is what Quick answers."""
    for accept, status in ((JSON, in_json), (GRAPHQL, in_graphql)):
        answer = client.post(body, accept=accept)
        assert (status, accept, ["errors"]) == (answer.status, answer.media_type, list(answer.json))


FAILING = [
    ("a syntax error", {"query": "{"}),
    ("an empty document", {"query": ""}),
    ("an unknown field", {"query": "{ unknown }"}),
    ("an unknown operation", {"query": "query A { products }", "operationName": "B"}),
    ("an operation that is not chosen", {"query": "query A { products } query B { products }"}),
    ("a variable that is missing", {"query": "query ($i: Long!) { product(id: $i) }"}),
    ("a variable of another type", {"query": "query ($i: Long) { product(id: $i) }", "variables": {"i": "x"}}),
]


@pytest.mark.parametrize("body", [row[1] for row in FAILING], ids=[row[0] for row in FAILING])
def test_a_request_error_should_be_200_in_json_and_must_be_4xx_in_the_graphql_type(client: Client, body: Any) -> None:
    for accept, status in ((JSON, 200), (GRAPHQL, 400)):
        answer = client.post(body, accept=accept)
        assert (status, accept, ["errors"]) == (answer.status, answer.media_type, list(answer.json))


@BOTH
def test_must_answer_200_with_data_and_should_with_null_though_there_are_errors(client: Client, accept: str) -> None:
    partial = client.post({"query": "{ products product }"}, accept=accept)
    nothing = client.post({"query": "{ needed(id: 404) }"}, accept=accept)

    assert (200, {"products": ["Shoes"], "product": None}) == (partial.status, partial.json["data"])
    assert (200, None, True) == (nothing.status, nothing.json["data"], bool(nothing.json["errors"]))


@BOTH
@pytest.mark.parametrize("name", ["operationName", "variables", "extensions"])
def test_null_is_the_same_as_nothing(client: Client, accept: str, name: str) -> None:
    answer = client.post({"query": "{ products }", name: None}, accept=accept)

    assert (200, PRODUCTS) == (answer.status, answer.json)


@BOTH
def test_operation_name_variables_and_extensions_are_taken(client: Client, accept: str) -> None:
    answer = client.post(
        {
            "query": "query A($id: Long) { product(id: $id) } query B { products }",
            "operationName": "A",
            "variables": {"id": "1"},
            "extensions": {"anything": [1]},
        },
        accept=accept,
    )

    assert (200, {"data": {"product": "Shoes"}}) == (answer.status, answer.json)


@BOTH
def test_get_may_ask_with_parameters(client: Client, accept: str) -> None:
    assert PRODUCTS == client.get(query="{ products }", operationName="", accept=accept).json
    answer = client.get(
        query="query A($id: Long) { product(id: $id) } query B { products }",
        operationName="A",
        variables='{"id": 1}',
        extensions='{"x": 1}',
        accept=accept,
    )
    assert (200, {"data": {"product": "Shoes"}}) == (answer.status, answer.json)


@BOTH
def test_the_name_null_in_a_parameter_is_a_name(client: Client, accept: str) -> None:
    query = "query null { products } query other { product(id: 1) }"

    assert PRODUCTS == client.get(query=query, operationName="null", accept=accept).json


@BOTH
@pytest.mark.parametrize("name", ["variables", "extensions"])
@pytest.mark.parametrize("value", ["[]", "7", "nonsense", "{"])
def test_a_parameter_that_is_no_json_object_is_400(client: Client, accept: str, name: str, value: str) -> None:
    answer = client.get(query="{ products }", accept=accept, **{name: value})

    assert (400, ["errors"]) == (answer.status, list(answer.json))


@BOTH
def test_get_must_not_execute_mutations_and_must_answer_405(client: Client, accept: str) -> None:
    both = "query A { products } mutation B { nothing }"
    refused = client.get(query=both, operationName="B", accept=accept)

    assert (405, "POST", ["errors"]) == (refused.status, refused.headers["allow"], list(refused.json))
    assert 405 == client.get(query="mutation { nothing }", accept=accept).status
    assert 200 == client.get(query=both, operationName="A", accept=accept).status


@pytest.mark.parametrize("method", ["HEAD", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_405_and_told_the_ones_there_are(client: Client, method: str) -> None:
    answer = client.send(method, f"{URL}?query=%7Bproducts%7D")

    assert (405, "GET, OPTIONS, POST") == (answer.status, ", ".join(sorted(answer.headers["allow"].split(", "))))


def test_options_tells_the_methods(client: Client) -> None:
    answer = client.send("OPTIONS")

    assert (200, b"") == (answer.status, answer.body)
    assert {"GET", "POST"} <= set(answer.headers["allow"].split(", "))


@BOTH
def test_should_refuse_a_post_without_content_type(client: Client, accept: str) -> None:
    answer = client.post({"query": "{ products }"}, content_type=None, accept=accept)

    assert (422 if accept == JSON else 400, ["errors"]) == (answer.status, list(answer.json))


@BOTH
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_page_of_another_origin_cannot_send_a_query_without_a_preflight(
    client: Client, accept: str, content_type: str
) -> None:
    assert client.post({"query": "mutation { nothing }"}, content_type=content_type, accept=accept).status in {400, 422}


@pytest.mark.parametrize("charset", ["utf-16", "iso-8859-1", "nonsense"])
@pytest.mark.parametrize("media_type", [JSON, "application/graphql"])
def test_another_charset_is_415(client: Client, media_type: str, charset: str) -> None:
    answer = client.post({"query": "{ products }"}, content_type=f"{media_type}; charset={charset}")

    assert (415, ["errors"]) == (answer.status, list(answer.json))


def test_a_body_may_be_packed(client: Client) -> None:
    packed = gzip.compress(b'{"query": "{ products }"}', mtime=0)

    assert PRODUCTS == client.post(packed, Content_Encoding="gzip").json
    assert (
        PRODUCTS
        == client.post(
            gzip.compress(b'{"query":', mtime=0) + gzip.compress(b'"{ products }"}', mtime=0), Content_Encoding="GZIP"
        ).json
    )
    assert PRODUCTS == client.post(b'{"query": "{ products }"}', Content_Encoding="identity").json


@pytest.mark.parametrize("packed", [b"nonsense", gzip.compress(b'{"query": "{ products }"}', mtime=0)[:-4], b""])
def test_a_body_that_is_not_packed_as_it_says_is_400(client: Client, packed: bytes) -> None:
    answer = client.post(packed, Content_Encoding="gzip")

    assert 400 == answer.status
    assert "The body is not gzip" in answer.json["errors"][0]["message"]


def test_a_small_body_that_unpacks_to_a_large_one_is_413(client: Client) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    pieces = gzip.compress(b" " * 400_000) * 3

    assert len(bomb) < 1_000_000
    assert [413, 413] == [client.post(body, Content_Encoding="gzip").status for body in (bomb, pieces)]


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_another_packing_is_415_and_told_what_is_read(client: Client, encoding: str) -> None:
    answer = client.post({"query": "{ products }"}, Content_Encoding=encoding)

    assert (415, "gzip") == (answer.status, answer.headers["accept-encoding"])


def test_a_body_of_more_than_a_megabyte_is_413(client: Client) -> None:
    assert 413 == client.post({"query": "{ products }" + " " * 1_000_000}).status


def test_a_browser_that_brings_no_query_gets_the_page_under_its_policy(client: Client) -> None:
    page = client.send("GET", Accept="text/html,application/xhtml+xml,*/*;q=0.8")

    assert (200, "text/html") == (page.status, page.media_type)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    for name in ("page.js", "page.css", "graphiql.min.js"):
        assert 200 == client.send("GET", f"/gateway/shop/graphiql-assets/{name}").status


@BOTH
def test_what_happens_inside_is_told_by_an_id_only(client: Client, accept: str) -> None:
    answer = client.post({"query": "{ broken }"}, accept=accept)

    assert (200, {"broken": None}) == (answer.status, answer.json["data"])
    assert b"hunter2" not in answer.body
    assert "Tell the operator this id" in answer.json["errors"][0]["message"]
