import re
from importlib import resources

import falcon.asgi
import pytest
from falcon.testing import TestClient

from core.errors import NotFoundError
from services.gateway.assets import GraphiQLAssetResource, serve_page

FILES = [
    "graphiql.min.css",
    "graphiql.min.js",
    "page.css",
    "page.js",
    "react-dom.production.min.js",
    "react.production.min.js",
]


class Page:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, name: str) -> None:
        serve_page(resp)


@pytest.fixture
def client() -> TestClient:
    async def not_found(req: object, resp: falcon.asgi.Response, error: Exception, params: object) -> None:
        resp.status = 404

    app = falcon.asgi.App()
    app.add_route("/gateway/{name}/graphql", Page())
    app.add_route("/gateway/{name}/graphiql-assets/{file}", GraphiQLAssetResource())
    app.add_error_handler(NotFoundError, not_found)
    return TestClient(app)


@pytest.mark.parametrize("file", FILES)
def test_each_file_is_served_from_the_package(client: TestClient, file: str) -> None:
    result = client.simulate_get(f"/gateway/any/graphiql-assets/{file}")

    kind = "css" if file.endswith("css") else "javascript"
    assert (200, f"text/{kind}; charset=utf-8") == (result.status_code, result.headers["content-type"])
    assert "nosniff" == result.headers["x-content-type-options"]
    assert len(result.content) > 100


@pytest.mark.parametrize("file", ["page.html", "NOTICE", "..%2fassets.py", "%2fetc%2fpasswd", "graphiql.js.map"])
def test_nothing_else_is_served(client: TestClient, file: str) -> None:
    assert 404 == client.simulate_get(f"/gateway/any/graphiql-assets/{file}").status_code


def test_the_page_asks_no_other_host_and_holds_no_script_of_its_own(client: TestClient) -> None:
    page = client.simulate_get("/gateway/any/graphql")

    assert "http" not in page.text
    assert [] == re.findall(r"<script(?![^>]*\ssrc=)|<style|\son\w+=", page.text)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "connect-src 'self';" in policy
    assert "unsafe" not in policy


def test_the_page_names_only_files_that_are_served(client: TestClient) -> None:
    page = client.simulate_get("/gateway/any/graphql").text

    assert set(FILES) == set(re.findall(r'"graphiql-assets/([^"]+)"', page))


def test_the_licences_go_with_the_files() -> None:
    notice = resources.files("services.gateway").joinpath("static", "NOTICE").read_text()

    assert all(word in notice for word in ("GraphiQL 3.9.0", "React 18.3.1", "Permission is hereby granted"))
