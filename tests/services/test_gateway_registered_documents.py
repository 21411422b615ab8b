from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from falcon.testing import Result, TestClient

from core.errors import SettingsError
from core.gateway_settings import DocumentMode, GatewaySettings
from services.gateway.registered_documents import RegisteredDocuments
from services.gateway.requests import GraphQLRequest, Refusal
from tests.services.gateway_app import URL, OneMirror, app, resource

PRODUCT = "query ($id: Long) { product(id: $id) }"
DIGEST = hashlib.sha256(PRODUCT.encode()).hexdigest()
SHOES = {"data": {"product": "Shoes"}}
ONLY = DocumentMode.ONLY


def settings(folder: Path, content: Any, mode: DocumentMode = ONLY) -> GatewaySettings:
    file = folder / "documents.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return GatewaySettings(documents=file, document_mode=mode)


@pytest.fixture(params=[DocumentMode.ALLOW, ONLY])
def mode(request: pytest.FixtureRequest) -> DocumentMode:
    mode = request.param
    assert isinstance(mode, DocumentMode)
    return mode


@pytest.fixture
def client(tmp_path: Path, mode: DocumentMode) -> Iterator[TestClient]:
    graphql = resource(OneMirror(), settings(tmp_path, {"product": PRODUCT, "write": "mutation { nothing }"}, mode))
    yield TestClient(app(graphql))
    graphql.close()


def post(client: TestClient, body: Any, accept: str = "*/*") -> Result:
    return client.simulate_post(URL, json=body, headers={"Accept": accept})


@pytest.mark.parametrize(
    "named",
    [
        {"documentId": "product"},
        {"documentId": f"sha256:{DIGEST}"},
        {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": DIGEST}}},
        {"documentId": "product", "query": PRODUCT},
    ],
)
def test_a_registered_document_is_executed_by_its_id_or_digest(client: TestClient, named: dict[str, Any]) -> None:
    assert SHOES == post(client, {**named, "variables": {"id": 1}}).json


def test_a_url_may_name_a_document(client: TestClient) -> None:
    params = {"documentId": f"sha256:{DIGEST}", "variables": '{"id": 1}'}

    assert SHOES == client.simulate_get(URL, params=params).json
    assert 405 == client.simulate_get(URL, params={"documentId": "write"}).status_code


def test_an_unknown_id_is_told_in_the_words_that_clients_know(client: TestClient) -> None:
    expected = {"errors": [{"message": "PersistedQueryNotFound", "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"}}]}

    for named in ({"documentId": "x"}, {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}):
        in_json, in_graphql = post(client, named), post(client, named, "application/graphql-response+json")
        assert (200, expected) == (in_json.status_code, in_json.json)
        assert (400, expected) == (in_graphql.status_code, in_graphql.json)


def test_a_free_document_is_executed_unless_only_registered_ones_are(client: TestClient, mode: DocumentMode) -> None:
    answer = post(client, {"query": "{ product(id: 1) }"}).json

    if mode is DocumentMode.ALLOW:
        assert SHOES == answer
    else:
        assert ["errors"] == list(answer)
        assert "This gateway executes registered documents only." in answer["errors"][0]["message"]
        assert {"code": "DOCUMENT_NOT_REGISTERED"} == answer["errors"][0]["extensions"]


def test_an_array_is_answered_one_by_one(client: TestClient) -> None:
    answers = post(client, [{"documentId": "x"}, {"documentId": "product", "variables": {"id": 1}}]).json

    assert (["errors"], SHOES) == (list(answers[0]), answers[1])


def test_another_text_is_not_executed_under_a_registered_id(tmp_path: Path) -> None:
    documents = RegisteredDocuments.from_settings(settings(tmp_path, {"product": PRODUCT}))

    refusal = documents.text("shop", GraphQLRequest("{ products }", document_id="product"))

    assert isinstance(refusal, Refusal)
    assert "The query is not the document that is registered as product." in refusal.message


def test_without_registered_documents_clients_are_told_to_send_the_text(tmp_path: Path) -> None:
    documents = RegisteredDocuments.from_settings(settings(tmp_path, {"product": PRODUCT}, DocumentMode.OFF))

    refusal = documents.text("shop", GraphQLRequest(document_id="product"))

    assert isinstance(refusal, Refusal)
    assert ("PersistedQueryNotSupported", "PERSISTED_QUERY_NOT_SUPPORTED") == (refusal.message, refusal.code)
    assert "{ a }" == documents.text("shop", GraphQLRequest("{ a }", document_id="product"))


def test_a_folder_holds_one_file_for_each_gateway(tmp_path: Path) -> None:
    (tmp_path / "shop.json").write_text(json.dumps({"q": "{ shop }"}))
    (tmp_path / "cars.json").write_text(json.dumps({"q": "{ cars }"}))
    documents = RegisteredDocuments.from_settings(GatewaySettings(documents=tmp_path, document_mode=ONLY))

    request = GraphQLRequest(document_id="q")

    assert ("{ shop }", "{ cars }") == (documents.text("shop", request), documents.text("cars", request))
    assert isinstance(documents.text("other", request), Refusal)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("nonsense", 'documents.json is no JSON as {"id": "query"}'),
        (["{ a }"], 'documents.json is no JSON as {"id": "query"}'),
        ({"a": 5}, 'documents.json is no JSON as {"id": "query"}'),
        ({f"sha256:{DIGEST}": "{ a }"}, f"the id sha256:{DIGEST} is the digest of another text"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path, content: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=r"QUICK_GRAPHQL_DOCUMENTS=.* cannot be used") as caught:
        RegisteredDocuments.from_settings(settings(tmp_path, content))
    assert reason in str(caught.value)
