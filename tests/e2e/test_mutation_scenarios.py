"""Scenarios of Quick's suites and guides in which a gateway writes, through the installed CLI and HTTP."""

from __future__ import annotations

from pathlib import Path

import httpx

from tests.running import Running, until

CRUD = """
type Query {
  findProduct(productId: Long): String @topic(name: "m1-product", keyArgument: "productId")
  allProducts: [String!] @topic(name: "m1-product")
}
type Mutation {
  setProduct(productId: Long, name: String): String @topic(name: "m1-product")
  setProducts(productIds: [Long!]!, names: [String]!): [String] @topic(name: "m1-product")
}
"""

PROFILES = """
type Query {
  lastEvent(userId: Long!): ListeningEvent @topic(name: "m2-listeningevents", keyArgument: "userId")
}
type Mutation {
  setArtist(artistId: Long!, artist: ItemInput!): Item @topic(name: "m2-artists")
  sendListeningEvent(userId: Long!, event: ListeningEventInput!): ListeningEvent @topic(name: "m2-listeningevents")
}
type ListeningEvent {
  userId: Long!
  artistId: Long!
  albumId: Long
  timestamp: Long!
  source: Source
  artist: Item @topic(name: "m2-artists", keyField: "artistId")
}
type Item { id: Long!  name: String! }
enum Source { RADIO ALBUM }
input ListeningEventInput { userId: Long!  artistId: Long!  albumId: Long  timestamp: Long!  source: Source }
input ItemInput { id: Long!  name: String! }
"""

TINY_URL = """
type Query { fetch(token: String): TinyUrl @topic(name: "m3-tiny-url", keyArgument: "token") }
type Mutation { shorten(token: String, url: TinyUrlInput): TinyUrl @topic(name: "m3-tiny-url") }
type TinyUrl { token: String!  url: String! }
input TinyUrlInput { token: String!  url: String! }
"""


def context(running: Running) -> None:
    assert "" == running.quick("context", "create", "--host", running.url, "--key", "e2e-key", "--context", "e2e")
    assert "" == running.quick("context", "activate", "e2e")


def create_gateway(running: Running, folder: Path, name: str, sdl: str) -> None:
    schema = folder / "schema.gql"
    schema.write_text(sdl)
    assert f"Create gateway {name} (this may take a few seconds)\n" == running.quick("gateway", "create", name)
    assert f"Applied schema to gateway {name}\n" == running.quick("gateway", "apply", name, "-f", str(schema))


def create_topic(running: Running, name: str, *options: str) -> None:
    assert f"Created new topic {name}\n" == running.quick("topic", "create", name, *options)


def delete(running: Running, gateway: str, *topics: str) -> None:
    assert f"Deleted gateway {gateway}\n" == running.quick("gateway", "delete", gateway)
    for topic in topics:
        assert f"Deleted topic {topic}\n" == running.quick("topic", "delete", topic)


def post(
    running: Running, gateway: str, query: str, at_least: str | None = None, **variables: object
) -> httpx.Response:
    """Return the answer; who is told that a mirror does not include a position yet asks again: nothing is done then."""
    headers = {} if at_least is None else {"Quick-At-Least": at_least}
    answers: list[httpx.Response] = []

    def is_answered() -> bool:
        body = {"query": query, "variables": variables}
        with running.http() as http:
            answers.append(http.post(f"/gateway/{gateway}/graphql", json=body, headers=headers))
        expected = (200,) if at_least is None else (200, 503)
        assert answers[-1].status_code in expected, answers[-1].text
        return answers[-1].status_code == 200

    until(is_answered)
    return answers[-1]


def test_crud_through_graphql_alone(running: Running, tmp_path: Path) -> None:
    context(running)
    create_topic(running, "m1-product", "--key", "long", "--value", "string")
    create_gateway(running, tmp_path, "m1-gateway", CRUD)

    def write(query: str, **variables: object) -> str:
        answer = post(running, "m1-gateway", query, **variables)
        assert "errors" not in answer.json(), answer.text
        return answer.headers["Quick-Position"]

    def find(key: int, position: str) -> object:
        query = "query ($id: Long) { findProduct(productId: $id) }"
        return post(running, "m1-gateway", query, position, id=key).json()

    set_one = "mutation ($id: Long, $name: String) { setProduct(productId: $id, name: $name) }"
    position = write(set_one, id=123, name="T-Shirt")
    assert {"data": {"findProduct": "T-Shirt"}} == find(123, position)
    position = write(
        "mutation ($ids: [Long!]!, $names: [String]!) { setProducts(productIds: $ids, names: $names) }",
        ids=[123, 456, 789],
        names=["T-Shirt (black)", "Jeans", "Shoes"],
    )
    assert {"data": {"findProduct": "T-Shirt (black)"}} == find(123, position)
    assert {"data": {"findProduct": "Jeans"}} == find(456, position)
    position = write(set_one, id=123, name=None)
    assert {"data": {"findProduct": None}} == find(123, position)
    everything = post(running, "m1-gateway", "{ allProducts }", position).json()
    assert {"data": {"allProducts": ["Jeans", "Shoes"]}} == everything
    delete(running, "m1-gateway", "m1-product")


def test_listening_events_are_sent_and_joined(running: Running, tmp_path: Path) -> None:
    context(running)
    create_gateway(running, tmp_path, "m2-profiles", PROFILES)
    for topic, type_name in (("m2-artists", "Item"), ("m2-listeningevents", "ListeningEvent")):
        create_topic(running, topic, "-k", "long", "-v", "schema", "-s", f"m2-profiles.{type_name}")

    artist = post(
        running, "m2-profiles", 'mutation { setArtist(artistId: 7, artist: {id: 7, name: "Nina"}) { id name } }'
    )
    assert {"setArtist": {"id": 7, "name": "Nina"}} == artist.json()["data"]
    send = """mutation ($event: ListeningEventInput!) {
      sendListeningEvent(userId: 1, event: $event) { userId albumId timestamp source artist { name } }
    }"""
    event = {"userId": 1, "artistId": 7, "timestamp": 1600000000000, "source": "RADIO"}
    sent = post(running, "m2-profiles", send, artist.headers["Quick-Position"], event=event)
    expected = {"userId": 1, "albumId": None, "timestamp": 1600000000000, "source": "RADIO", "artist": {"name": "Nina"}}
    assert {"sendListeningEvent": expected} == sent.json()["data"]
    query = "{ lastEvent(userId: 1) { userId albumId timestamp source artist { name } } }"
    last = post(running, "m2-profiles", query, sent.headers["Quick-Position"])
    assert {"data": {"lastEvent": expected}} == last.json()
    delete(running, "m2-profiles", "m2-artists", "m2-listeningevents")


def test_a_short_url_is_given_once(running: Running, tmp_path: Path) -> None:
    context(running)
    create_gateway(running, tmp_path, "m3-gateway", TINY_URL)
    create_topic(running, "m3-tiny-url", "-k", "string", "-v", "schema", "-s", "m3-gateway.TinyUrl", "--immutable")
    shorten = 'mutation ($url: String!) { shorten(token: "d9p", url: {token: "d9p", url: $url}) { url } }'

    first = post(running, "m3-gateway", shorten, url="https://example.com/first")
    assert {"shorten": {"url": "https://example.com/first"}} == first.json()["data"]
    second = post(running, "m3-gateway", shorten, url="https://example.com/second").json()
    assert {"shorten": None} == second["data"]
    assert "CONFLICT" == second["errors"][0]["extensions"]["code"]
    fetched = post(running, "m3-gateway", '{ fetch(token: "d9p") { url } }', first.headers["Quick-Position"])
    assert {"data": {"fetch": {"url": "https://example.com/first"}}} == fetched.json()
    delete(running, "m3-gateway", "m3-tiny-url")
