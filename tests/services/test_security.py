"""Nothing is told without a key, not even which paths there are, and no more than a key's scopes cover."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import falcon.inspect
import httpx
import pytest

from core.keys import digest_of, new_secret
from core.settings import Settings
from services.app import create_app
from services.security import needed_scope
from services.worker import Worker
from tests.running import API_KEY, PLAIN, Running, until

MANAGE, ADMIN = "manage", "admin"
ANY = "any key"

ROUTES = {
    "/health": "open",
    "/metrics": "open",
    "/openapi.json": "open",
    "/manager/topics": MANAGE,
    "/manager/topic/{name}": MANAGE,
    "/manager/topic/{name}/schema": MANAGE,
    "/manager/topic/{name}/mirror": MANAGE,
    "/manager/topic/{name}/mirror/rebuild": MANAGE,
    "/manager/mirrors": MANAGE,
    "/manager/gateways": MANAGE,
    "/manager/gateway": MANAGE,
    "/manager/gateway/{name}": MANAGE,
    "/manager/gateway/{name}/schema": MANAGE,
    "/manager/gateway/{name}/schema/{type_name}/{form}": MANAGE,
    "/manager/keys": ADMIN,
    "/manager/key/{name}": ADMIN,
    "/manager/log": MANAGE,
    "/manager/log/{position:int}": MANAGE,
    "/manager/log/verify": MANAGE,
    "/manager/log/export": MANAGE,
    "POST /manager/log/restore": ADMIN,
    "GET /manager/log/quarantine": MANAGE,
    "POST /manager/log/quarantine": ADMIN,
    "/manager/diff": MANAGE,
    "/manager/declarations": MANAGE,
    "/manager/status": MANAGE,
    "GET /manager/replay": MANAGE,
    "POST /manager/replay": ADMIN,
    "/manager/doctor": MANAGE,
    "/manager/applications": MANAGE,
    "/manager/application": MANAGE,
    "/manager/application/{name}": MANAGE,
    "/ingest/{topic}": "ingest:x",
    "/ingest/{topic}/{key:path}": "ingest:x",
    "/mirror/{topic}/status": "mirror:x",
    "/mirror/{topic}/streams/partitions": "mirror:x",
    "/mirror/{topic}/range": "mirror:x",
    "/mirror/{topic}/mirror": "mirror:x",
    "/mirror/{topic}/mirror/batch": "mirror:x",
    "/mirror/{topic}/mirror/range/{key:path}": "mirror:x",
    "/mirror/{topic}/mirror/index/{field}": "mirror:x",
    "/mirror/{topic}/mirror/keys": "mirror:x",
    "/mirror/{topic}/mirror/{key:path}": "mirror:x",
    "/gateway/{name}/graphql": "read:x",
    "/gateway/{name}/graphiql-assets/{file}": "open",
    "/gateway/{name}/control/schema": MANAGE,
    "/gateway/{name}/schema/{type_name}": "read:x",
    "/schema-registry": ANY,
    "/schema-registry/schemas": ANY,
    "/schema-registry/schemas/types": ANY,
    "/schema-registry/schemas/ids/{schema_id:int(min=0, max=2147483647)}": ANY,
    "/schema-registry/schemas/ids/{schema_id:int(min=0, max=2147483647)}/schema": ANY,
    "/schema-registry/schemas/ids/{schema_id:int(min=0, max=2147483647)}/subjects": ANY,
    "/schema-registry/schemas/ids/{schema_id:int(min=0, max=2147483647)}/versions": ANY,
    "/schema-registry/subjects": ANY,
    "POST /schema-registry/subjects/{subject}": ANY,
    "DELETE /schema-registry/subjects/{subject}": MANAGE,
    "GET /schema-registry/subjects/{subject}/versions": ANY,
    "POST /schema-registry/subjects/{subject}/versions": MANAGE,
    "GET /schema-registry/subjects/{subject}/versions/{version}": ANY,
    "DELETE /schema-registry/subjects/{subject}/versions/{version}": MANAGE,
    "/schema-registry/subjects/{subject}/versions/{version}/schema": ANY,
    "/schema-registry/subjects/{subject}/versions/{version}/referencedby": ANY,
    "/schema-registry/compatibility/subjects/{subject}/versions": ANY,
    "/schema-registry/compatibility/subjects/{subject}/versions/{version}": ANY,
    "GET /schema-registry/config": ANY,
    "PUT /schema-registry/config": MANAGE,
    "DELETE /schema-registry/config": MANAGE,
    "GET /schema-registry/config/{subject}": ANY,
    "PUT /schema-registry/config/{subject}": MANAGE,
    "DELETE /schema-registry/config/{subject}": MANAGE,
    "GET /schema-registry/mode": ANY,
    "PUT /schema-registry/mode": MANAGE,
    "DELETE /schema-registry/mode": MANAGE,
    "GET /schema-registry/mode/{subject}": ANY,
    "PUT /schema-registry/mode/{subject}": MANAGE,
    "DELETE /schema-registry/mode/{subject}": MANAGE,
    "/schema-registry/contexts": ANY,
    "/schema-registry/v1/metadata/id": ANY,
    "/schema-registry/v1/metadata/version": ANY,
}
"""What each route needs, for each of its methods or for all of them."""

SCOPES = (MANAGE, ADMIN, "ingest:x", "read:x", "mirror:x", "ingest:other", "read:other", "mirror:other", "ingest:*")


def status(running: Running, path: str, key: str) -> int:
    """Ask on a connection of its own, and return the status of the answer."""
    return httpx.get(running.url + path, headers={"X-API-Key": key}, verify=PLAIN, timeout=30).status_code


def need_of(method: str, path: str) -> str:
    return ROUTES.get(f"{method} {path}") or ROUTES[path]


def all_routes() -> list[tuple[str, str]]:
    """Return method and template of every route that the application has."""
    app = create_app(Worker(Settings(kafka="127.0.0.1:1", data_dir=Path("unused"), api_key="k")))
    return [
        (method.method, route.path)
        for route in falcon.inspect.inspect_routes(app)
        for method in route.methods
        if not method.internal
    ]


GUARDED = [(method, path) for method, path in all_routes() if need_of(method, path) != "open"]
SCOPED = [(method, path) for method, path in GUARDED if need_of(method, path) != ANY]


def filled(route: str) -> str:
    route = route.replace(":int(min=0, max=2147483647)}", ":int}")
    segments = ("1" if part.endswith(":int}") else "x" if part.startswith("{") else part for part in route.split("/"))
    return "/".join(segments)


@pytest.fixture(scope="module")
def key(running: Running) -> Callable[..., str]:
    """Return a function that makes a key with scopes, the same one for the same scopes."""
    made: dict[tuple[str, ...], str] = {}

    def key(*scopes: str) -> str:
        if scopes not in made:
            made[scopes] = create_key(running, f"k-{uuid.uuid4().hex[:8]}", scopes)
        return made[scopes]

    return key


def create_key(running: Running, name: str, scopes: tuple[str, ...], **more: str) -> str:
    secret = new_secret(name)
    with running.http() as http:
        body = {"scopes": list(scopes), "digest": digest_of(secret), **more}
        answer = http.post(f"/manager/key/{name}", json=body)
    assert 200 == answer.status_code, answer.text
    return secret


def test_every_route_says_what_it_needs() -> None:
    known = {path[path.index("/") :] for path in ROUTES}
    assert known == {path for _, path in all_routes()}


@pytest.mark.parametrize("given", [None, "", "wrong", "e2e-ke", "e2e-key2", b"\xff\xfe", "qk_", "qk_nobody_x", "qk__x"])
@pytest.mark.parametrize("route", sorted({path for _, path in GUARDED} | {"/", "/nowhere", "/manager/nowhere"}))
def test_without_a_key_every_path_is_refused_alike(running: Running, route: str, given: str | bytes | None) -> None:
    headers = {} if given is None else {"X-API-Key": given}
    with httpx.Client(base_url=running.url, verify=PLAIN, timeout=30) as http:
        for method in ("GET", "POST", "DELETE", "PUT"):
            answer = http.request(method, filled(route), headers=headers)
            confluent = {"error_code": 401, "message": "No valid authentication token found in request."}
            quick = {
                "type": "errors/clientError",
                "title": "Unauthorized",
                "code": 401,
                "detail": "No valid authentication token found in request.",
                "uriPath": filled(route),
            }
            is_registry = route.startswith("/schema-registry")
            assert (401, confluent if is_registry else quick) == (answer.status_code, answer.json())
            assert is_registry == ("WWW-Authenticate" in answer.headers)


@pytest.mark.parametrize(("method", "route"), SCOPED)
def test_a_key_of_too_small_a_scope_is_refused(
    running: Running, key: Callable[..., str], method: str, route: str
) -> None:
    need = need_of(method, route)
    with httpx.Client(base_url=running.url, verify=PLAIN, timeout=30) as http:
        for scope in SCOPES:
            if scope in {need, ADMIN} or (scope == "ingest:*" and need.startswith("ingest:")):
                continue
            answer = http.request(method, filled(route), headers={"X-API-Key": key(scope)})
            assert 403 == answer.status_code, f"{method} {route} with {scope}: {answer.text}"
            told = answer.json()["message" if route.startswith("/schema-registry") else "detail"]
            assert f"lacks the scope {need}" in told
            assert "You are not allowed to access this resource." in told


@pytest.mark.parametrize(("method", "route"), GUARDED)
def test_a_key_of_the_right_scope_is_taken(key: Callable[..., str], method: str, route: str) -> None:
    """Asked of the rule itself, since many of these requests would change something."""
    need = needed_scope(method, filled(route))
    assert (None if need_of(method, route) == ANY else need_of(method, route)) == need


@pytest.mark.parametrize("scopes", [("admin",), ("manage",), ("read:other", "manage")])
def test_a_key_may_do_what_one_of_its_scopes_covers(
    running: Running, key: Callable[..., str], scopes: tuple[str, ...]
) -> None:
    answer = httpx.get(f"{running.url}/manager/topics", headers={"X-API-Key": key(*scopes)}, verify=PLAIN, timeout=30)
    assert 200 == answer.status_code


def test_scopes_with_a_star_cover_what_begins_so(running: Running, key: Callable[..., str]) -> None:
    orders = key("mirror:orders-*")
    assert 404 == status(running, "/mirror/orders-eu/mirror", orders)
    assert 403 == status(running, "/mirror/order/mirror", orders)


def test_a_path_that_does_not_exist_is_not_found_with_any_key(running: Running, key: Callable[..., str]) -> None:
    assert 404 == status(running, "/nowhere", key("read:other"))


@pytest.mark.parametrize("path", ["/ingest/x%2Fy", "/ingest//x", "//ingest/x", "/ingest/x/", "/manager/../ingest/x"])
def test_no_spelling_of_a_path_goes_around_a_scope(running: Running, key: Callable[..., str], path: str) -> None:
    request = httpx.Request("DELETE", running.url, headers={"X-API-Key": key("ingest:y")})
    request.url = httpx.URL(running.url).copy_with(raw_path=path.encode())
    with httpx.Client(verify=PLAIN, timeout=30) as http:
        assert http.send(request).status_code in {403, 404}


def test_a_revoked_key_is_refused_by_every_worker(running: Running) -> None:
    secret = create_key(running, "leaver", ("manage",))
    assert 200 == status(running, "/manager/topics", secret)
    with running.http() as http:
        assert 200 == http.delete("/manager/key/leaver").status_code
    for _ in range(10):  # Each on a connection of its own, so that both workers answer some.
        assert 401 == status(running, "/manager/topics", secret)


def test_an_expired_key_is_refused(running: Running) -> None:
    soon = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    secret = create_key(running, "guest", ("manage",), expiresAt=soon)

    until(lambda: status(running, "/manager/topics", secret) == 401)


def test_a_key_of_the_right_name_and_another_secret_is_refused(running: Running) -> None:
    create_key(running, "named", ("manage",))
    answer = httpx.get(
        f"{running.url}/manager/topics", headers={"X-API-Key": new_secret("named")}, verify=PLAIN, timeout=30
    )
    assert 401 == answer.status_code


def test_health_and_figures_are_open(running: Running) -> None:
    health = f"{running.url}/health"
    until(lambda: httpx.get(health, timeout=30).json() == {"status": "UP"})  # Another test may just have changed it.
    assert 200 == httpx.get(health, timeout=30).status_code
    assert 200 == httpx.get(f"{running.url}/metrics", timeout=30).status_code


def test_the_editor_is_open_and_its_queries_are_not(running: Running) -> None:
    page = httpx.get(f"{running.url}/gateway/any/graphql", headers={"Accept": "text/html"}, timeout=30)
    assert 200 == page.status_code
    assert page.headers["Content-Type"].startswith("text/html")
    query = httpx.get(f"{running.url}/gateway/any/graphql?query={{a}}", headers={"Accept": "text/html"}, timeout=30)
    assert 401 == query.status_code


@pytest.mark.parametrize(
    "path", ["graphiql/schema/Item", "x/schema/graphiql-assets", "graphiql-assets/graphql?query={a}"]
)
def test_no_name_opens_what_is_closed(running: Running, path: str) -> None:
    assert 401 == httpx.get(f"{running.url}/gateway/{path}", timeout=30).status_code


def test_a_browser_of_another_site_may_ask_before_it_sends_a_key(running: Running) -> None:
    headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{running.url}/ingest/any", headers=headers, timeout=30)
    assert 200 == answer.status_code
    assert "*" == answer.headers["Access-Control-Allow-Origin"]


def test_the_administrators_key_still_opens_everything(running: Running) -> None:
    assert 200 == status(running, "/manager/keys", API_KEY)
