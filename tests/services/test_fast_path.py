"""What is answered on the fast path is what Falcon's resources answer; everything else is left to them."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import httpx
import pytest

from core.keys import digest_of, new_secret
from core.settings import Settings
from services.app import App, create_app
from services.worker import Worker
from tests.running import API_KEY, Running

PRODUCT = "{ id name price parts }"


class Answer(NamedTuple):
    headers: dict[str, str]
    body: bytes


class Ways:
    """An application in this process, over the views of a running Quick; both ways to it."""

    def __init__(self, running: Running) -> None:
        suffix = uuid.uuid4().hex[:8]
        self.topic, self.texts, self.gateway = f"product-{suffix}", f"text-{suffix}", f"shop-{suffix}"
        self.key, self.other_key = new_secret(f"all-{suffix}"), new_secret(f"other-{suffix}")
        self._declare(running, suffix)
        own = {"QUICK_KAFKA_BOOTSTRAP_SERVER": running.kafka, "QUICK_DATA_DIR": str(running.data_dir)}
        self._worker = Worker(Settings.from_env({**running.environment, **own, "QUICK_APIKEY": API_KEY}))
        self._app: App = create_app(self._worker)

    def _declare(self, running: Running, suffix: str) -> None:
        schema = f"""
            type Product {{ id: Int!  name: String  price: Float  parts: [String!] }}
            type Query {{
              product(id: Int): Product @topic(name: "{self.topic}", keyArgument: "id")
              products(ids: [Int]): [Product] @topic(name: "{self.topic}", keyArgument: "ids")
              all: [Product] @topic(name: "{self.topic}")
            }}
            type Mutation {{ set(id: Int, name: String): String @topic(name: "{self.texts}") }}
        """
        scopes = (f"mirror:{self.topic}", f"read:{self.gateway}"), ("manage",)
        with running.http() as http:
            http.post("/manager/gateway", json={"name": self.gateway, "schema": schema}).raise_for_status()
            value = {"valueSchema": {"gateway": self.gateway, "type": "Product"}}
            types = {"keyType": "int", "valueType": "schema"}
            http.post(f"/manager/topic/{self.topic}", params=types, json=value).raise_for_status()
            types = {"keyType": "string", "valueType": "string"}
            http.post(f"/manager/topic/{self.texts}", params=types, json={}).raise_for_status()
            for name, secret, held in zip(("all", "other"), (self.key, self.other_key), scopes, strict=True):
                body = {"scopes": held, "digest": digest_of(secret)}
                http.post(f"/manager/key/{name}-{suffix}", json=body).raise_for_status()
        rows = [
            {"key": n, "value": {"id": n, "name": f"product {n}", "price": n / 4, "parts": ["a", "é"] * n}}
            for n in range(200)
        ]
        running.include(self.topic, running.ingest(self.topic, rows))
        texts = ["keys", "batch", "range", "range/x", "index/x", "a/b", "a b", "plain", "ends/"]
        running.include(self.texts, running.ingest(self.texts, [{"key": key, "value": key} for key in texts]))

    def fast(self, method: str, url: str, body: bytes | None = None, **headers: str) -> Answer | None:
        """Return what the fast path answers, `None` where it leaves that to Falcon."""
        fast_path = self._app.fast_path
        assert fast_path is not None
        sent = [(name.lower().encode(), value.encode()) for name, value in self._headers(body, headers).items()]
        turn = fast_path.turn(method.encode(), url.encode(), sent)
        answer = None if turn is None else fast_path.answer(turn, body or b"")
        if answer is None:
            return None
        head, _, content = answer.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        assert len(lines) == len(dict(lines))  # type: ignore[arg-type]  # each has two parts
        return Answer({name: value for name, value in lines}, content)  # noqa: C416  as above

    def usual(self, method: str, url: str, body: bytes | None = None, **headers: str) -> httpx.Response:
        """Return what Falcon answers."""

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
                request = client.build_request(method, url, content=body)
                request.headers = httpx.Headers(self._headers(body, headers))
                return await client.send(request)

        return asyncio.run(asked())

    def close(self) -> None:
        self._worker.views.close()

    @staticmethod
    def _headers(body: bytes | None, more: dict[str, str]) -> dict[str, str]:
        length = {} if body is None else {"Content-Length": str(len(body)), "Content-Type": "application/json"}
        given = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Host": "x", "X-API-Key": API_KEY, **length, **given}


@pytest.fixture(scope="module")
def ways(running: Running) -> Iterator[Ways]:
    made = Ways(running)
    made.usual("POST", f"/gateway/{made.gateway}/graphql", operation("{ product(id: 1) { id } }"))
    yield made
    made.close()


def operation(query: str, **more: Any) -> bytes:
    return json.dumps({"query": query, **more}).encode()


def assert_equal(fast: Answer | None, usual: httpx.Response) -> None:
    assert fast is not None
    assert 200 == usual.status_code, usual.text
    lag = "quick-lag"
    assert {**usual.headers, lag: ""} == {**fast.headers, lag: ""}
    assert (lag in usual.headers) is (lag in fast.headers)
    body = gzip.decompress(fast.body) if "content-encoding" in fast.headers else fast.body
    assert usual.content == body


@pytest.mark.parametrize("key", ["0", "7", "199"])
@pytest.mark.parametrize("accept_encoding", ["identity", "gzip"])
def test_a_value(ways: Ways, key: str, accept_encoding: str) -> None:
    asked = "GET", f"/mirror/{ways.topic}/mirror/{key}"
    headers = {"Accept_Encoding": accept_encoding, "User_Agent": "a program"}
    fast = ways.fast(*asked, **headers)
    assert_equal(fast, ways.usual(*asked, **headers))
    assert fast is not None
    assert ("199" == key and "gzip" == accept_encoding) is ("content-encoding" in fast.headers)


@pytest.mark.parametrize("query", [f"query ($id: Int) {{ product(id: $id) {PRODUCT} }}", "query Q { product { id } }"])
@pytest.mark.parametrize("accept", [None, "*/*", "application/json", "application/graphql-response+json"])
@pytest.mark.parametrize("id_", [1, 150, 5000, None, "x"])
def test_an_operation(ways: Ways, query: str, accept: str | None, id_: object) -> None:
    asked = "POST", f"/gateway/{ways.gateway}/graphql", operation(query, variables={"id": id_})
    headers = {} if accept is None else {"Accept": accept}
    usual = ways.usual(*asked, **headers)  # It also makes the document one that is known.
    fast = ways.fast(*asked, **headers)
    if "data" not in usual.json():
        assert fast is None
    else:
        assert_equal(fast, usual)


def test_a_list_of_keys_is_compressed_for_whoever_takes_it(ways: Ways) -> None:
    query = f"query ($ids: [Int]) {{ products(ids: $ids) {PRODUCT} }}"
    asked = "POST", f"/gateway/{ways.gateway}/graphql", operation(query, variables={"ids": [*range(40), 5000]})
    for accept_encoding in ("identity", "gzip"):
        usual = ways.usual(*asked, Accept_Encoding=accept_encoding)
        assert_equal(ways.fast(*asked, Accept_Encoding=accept_encoding), usual)


@pytest.mark.parametrize("key", ["keys", "batch", "range", "range/x", "index/x", "a/b", "a%20b", "plain", "ends/"])
def test_a_key_that_might_be_an_address_is_falcons(ways: Ways, key: str) -> None:
    asked = "GET", f"/mirror/{ways.texts}/mirror/{key}"
    fast = ways.fast(*asked)
    if key in {"plain", "range"}:
        assert_equal(fast, ways.usual(*asked))
    else:
        assert fast is None


def test_what_is_not_there_is_falcons_to_tell(ways: Ways) -> None:
    for url in (
        f"/mirror/{ways.topic}/mirror/5000",
        f"/mirror/{ways.topic}/mirror/x",
        "/mirror/nowhere/mirror/1",
        f"/mirror/{ways.topic}/mirror/1?a=b",
        f"/mirror/{ways.topic}/mirror/",
        f"/mirror/{ways.topic}/mirror",
        "/health",
        "/manager/topics",
    ):
        assert ways.fast("GET", url) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        operation("{ product(id: "),
        operation("{ never_seen_before: product(id: 1) { id } }"),
        operation("{ all { id } }"),
        operation('mutation { set(id: 1, name: "x") }'),
        operation("{ product(id: 1) { id } }", extensions={"atLeast": "x"}),
        b"[" + operation("{ product(id: 1) { id } }") + b"]",
    ],
)
def test_other_operations_are_falcons(ways: Ways, body: bytes) -> None:
    assert ways.fast("POST", f"/gateway/{ways.gateway}/graphql", body) is None


def test_an_operation_that_is_sent_otherwise_is_falcons(ways: Ways) -> None:
    asked = "POST", f"/gateway/{ways.gateway}/graphql", operation("{ product(id: 1) { id } }")
    assert ways.fast(*asked) is not None
    assert ways.fast("POST", "/gateway/nowhere/graphql", asked[2]) is None
    for headers in (
        {"Content_Type": "application/graphql"},
        {"Content_Type": "application/json; charset=latin-1"},
        {"Accept": "text/html"},
        {"Quick_Report_Cost": "true"},
        {"Quick_Max_Lag": "5s"},
    ):
        assert ways.fast(*asked, **headers) is None


def test_only_a_key_that_covers_the_request_is_answered(ways: Ways) -> None:
    operation_of = "POST", f"/gateway/{ways.gateway}/graphql", operation("{ product(id: 1) { id } }")
    for asked in (("GET", f"/mirror/{ways.topic}/mirror/1"), operation_of):
        assert_equal(ways.fast(*asked, X_API_Key=ways.key), ways.usual(*asked, X_API_Key=ways.key))
        for key in (ways.other_key, ways.key + "x", "", "e2e-ke", "é"):
            assert ways.fast(*asked, X_API_Key=key) is None
