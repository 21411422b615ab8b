"""Groups of Quick's CLI that this version does not have: named, and refused in plain words."""

from __future__ import annotations

import rich_click as click

from cli.command import QuickCommand, QuickGroup
from cli.connection import CliError

_ANYTHING = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.group(
    cls=QuickGroup, commands={"deploy": "cli.not_available:app_command", "delete": "cli.not_available:app_command"}
)
def app() -> None:
    """Applications (not available yet)."""


@click.command(cls=QuickCommand, context_settings=_ANYTHING)
@click.argument("arguments", nargs=-1)
def app_command(arguments: tuple[str, ...]) -> None:
    """Not available yet."""
    raise CliError("Applications are not available yet.")
