"""GraphiQL, the query editor for browsers: its page and its files, served from the package.

No other host is asked for anything. The page is the same for every gateway and holds no data, so that it needs no
API key; the key is typed into the page, and the browser keeps it until the tab is closed.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Final

from falcon.asgi import Request, Response

from core.errors import NotFoundError

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}

_FILES: Final = frozenset(
    {
        "graphiql.min.css",
        "graphiql.min.js",
        "page.css",
        "page.js",
        "react-dom.production.min.js",
        "react.production.min.js",
    }
)

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Everything comes from the package. A dialog wants to lock scrolling with an inline style, and goes without it."""

_DAY_S: Final = 86_400


class GraphiQLAssetResource:
    """Answers `GET /gateway/{name}/graphiql-assets/{file}` with one file of GraphiQL."""

    async def on_get(self, req: Request, resp: Response, name: str, file: str) -> None:
        """Serve *file*.

        Raises:
            NotFoundError: GraphiQL has no such file.
        """
        if file not in _FILES:
            raise NotFoundError(f"GraphiQL has no file {file:.100}. Open the page /gateway/{name}/graphql instead.")
        _serve(resp, file)
        resp.cache_control = [f"public, max-age={_DAY_S}"]


def is_page_request(req: Request) -> bool:
    """Return whether *req* is a browser's that wants to see the page, not the answer to a query."""
    return "text/html" in req.accept and "query" not in req.params


def serve_page(resp: Response) -> None:
    """Answer with the GraphiQL page."""
    _serve(resp, "page.html")
    resp.set_header("Content-Security-Policy", _POLICY)
    resp.set_header("Referrer-Policy", "no-referrer")
    resp.cache_control = ["no-cache"]


def _serve(resp: Response, file: str) -> None:
    resp.content_type = _TYPES[file[file.rindex(".") :]]
    resp.set_header("X-Content-Type-Options", "nosniff")
    resp.data = _content(file)


@cache
def _content(file: str) -> bytes:
    return resources.files("services.gateway").joinpath("static", file).read_bytes()
