"""Schemas that gateways have in the log: an older version took them, so this one may be unable to use them."""

from __future__ import annotations

from core.errors import InvalidSdlError, NotAvailableYetError, StoredSchemaError
from core.sdl import GatewaySchema, parse_gateway_schema


def stored_schema(gateway: str, sdl: str) -> GatewaySchema:
    """Return the schema of a gateway from its text in the log.

    Args:
        gateway: Name of the gateway.
        sdl: The text; a blank one is the placeholder.

    Raises:
        StoredSchemaError: This version cannot use it; says why, and that another one has to be applied.
    """
    try:
        return parse_gateway_schema(sdl)
    except InvalidSdlError as error:
        reason = "\n".join(f"- {problem}" for problem in error.problems)
    except NotAvailableYetError as error:
        reason = str(error)
    raise unusable(gateway, reason)


def unusable(gateway: str, reason: str) -> StoredSchemaError:
    """Return the error of a gateway whose schema in the log cannot be used."""
    return StoredSchemaError(
        f"This version cannot use the schema that gateway {gateway} has in the log. Apply a corrected one with: quick"
        f" gateway apply {gateway} -f FILE. What is wrong:\n{reason}"
    )
