"""Parameters of a query, each given once at most; what is unknown or unusable is refused and not passed over."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

import falcon.asgi

from core.errors import InvalidInputError

_NUMBER: Final = re.compile("[0-9]{1,12}")


def refuse_unknown(req: falcon.asgi.Request, known: Collection[str]) -> None:
    """Refuse a query with parameters that are not *known*.

    Raises:
        InvalidInputError: Names one, and those that are known.
    """
    for name in req.params:
        if name not in known:
            raise InvalidInputError(
                f"The parameter {name[:80]!r} is unknown here. Known are: {', '.join(sorted(known))}."
            )


def text(req: falcon.asgi.Request, name: str) -> str | None:
    """Return the parameter *name*, `None` when it is not given.

    Raises:
        InvalidInputError: It is given twice.
    """
    given = req.params.get(name)
    if isinstance(given, list):
        raise InvalidInputError(f"The parameter {name} is given {len(given)} times. Give it once.")
    return given


def flag(req: falcon.asgi.Request, name: str) -> bool:
    """Return the parameter *name*, false when it is not given.

    Raises:
        InvalidInputError: It is neither true nor false.
    """
    given = text(req, name)
    if given is None or given == "false":
        return False
    if given == "true":
        return True
    raise InvalidInputError(f"The parameter {name} is {given[:80]!r}. Give true or false.")


def limit(req: falcon.asgi.Request, most: int) -> int | None:
    """Return the parameter `limit`, `None` when it is not given.

    Raises:
        InvalidInputError: It is no whole number from 1 to *most*.
    """
    given = text(req, "limit")
    if given is None:
        return None
    if not _NUMBER.fullmatch(given) or not 1 <= int(given) <= most:
        raise InvalidInputError(
            f"The parameter limit is {given[:80]!r}. Give a whole number from 1 to {most}; ask for more page by page."
        )
    return int(given)
