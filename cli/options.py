"""Options that many commands have, and the context that they choose."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from operator import attrgetter
from typing import Any

import rich_click as click

from cli.client import Manager, Why
from cli.config import Config, Context, config_path
from cli.connection import CliError, Connection
from cli.gateway_client import Gateways
from cli.ingest_client import Ingest
from cli.mirror_client import Mirrors
from core.errors import QuickError

NOT_INITIALIZED = "Not initialized.\nPlease run:\n\t$ quick context create\nto set your host and API key."

_COMMAND_ID = re.compile("[!-~]{1,200}")
"""What the manager takes as the id of a command, and a header can carry."""


def manager_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of every command that talks to the manager, and pass it as `manager`."""

    @functools.wraps(command)
    def with_manager(*, debug: bool, context: str | None, **options: Any) -> None:
        command(manager=Manager(lambda: chosen_context(context), is_debugging=debug), **options)

    return _context_options(with_manager)


def ingest_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the same options to a command that also writes; pass `manager` and `ingest`."""

    @functools.wraps(command)
    def with_both(*, debug: bool, context: str | None, **options: Any) -> None:
        find = functools.cache(lambda: chosen_context(context))
        ingest = Ingest(Connection(find, attrgetter("ingest_url"), is_debugging=debug))
        command(manager=Manager(find, is_debugging=debug), ingest=ingest, **options)

    return _context_options(with_both)


def mirror_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the same options to a command that reads a mirror; pass the mirror service as `mirrors`."""

    @functools.wraps(command)
    def with_mirrors(*, debug: bool, context: str | None, **options: Any) -> None:
        connection = Connection(lambda: chosen_context(context), attrgetter("mirror_url"), is_debugging=debug)
        command(mirrors=Mirrors(connection), **options)

    return _context_options(with_mirrors)


def manager_and_mirror_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the same options to a command that asks both; pass `manager` and `mirrors`."""

    @functools.wraps(command)
    def with_both(*, debug: bool, context: str | None, **options: Any) -> None:
        find = functools.cache(lambda: chosen_context(context))
        mirrors = Mirrors(Connection(find, attrgetter("mirror_url"), is_debugging=debug))
        command(manager=Manager(find, is_debugging=debug), mirrors=mirrors, **options)

    return _context_options(with_both)


def gateway_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the same options to a command that queries a gateway; pass the gateways as `gateways`."""

    @functools.wraps(command)
    def with_gateways(*, debug: bool, context: str | None, **options: Any) -> None:
        connection = Connection(lambda: chosen_context(context), attrgetter("gateway_url"), is_debugging=debug)
        command(gateways=Gateways(connection), **options)

    return _context_options(with_gateways)


def command_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `-m`, which tells the log why, and what repeats a command; passed as `why`."""

    @functools.wraps(command)
    def with_why(*, reason: str | None, command_id: str | None, **options: Any) -> None:
        command(why=Why(reason, command_id), **options)

    for add in (
        click.option(
            "--command-id",
            metavar="ID",
            callback=_checked_id,
            help="Repeat a command whose answer was lost: it is recorded once.",
        ),
        click.option("-m", "--message", "reason", metavar="TEXT", help="Why; it is kept in the log."),
    ):
        with_why = add(with_why)
    return with_why


def chosen_context(name: str | None) -> Context:
    """Return the context of that name, or the current one.

    Raises:
        CliError: There is no such context, or none at all.
    """
    config = load_config()
    if config is None:
        raise CliError(NOT_INITIALIZED)
    chosen = config.current if name is None else name
    if chosen is None or chosen not in config.contexts:
        known = ", ".join(sorted(config.contexts)) or "none"
        raise CliError(
            f"Context {chosen} not found. There are: {known}. Choose one with: quick context activate <NAME>"
        )
    return config.contexts[chosen]


def load_config() -> Config | None:
    """Return the configuration, `None` when there is none.

    Raises:
        CliError: It cannot be used.
    """
    try:
        return Config.load(config_path(os.environ))
    except QuickError as error:
        raise CliError(str(error)) from error


def _context_options(command: Callable[..., None]) -> Callable[..., None]:
    for add in (
        click.option("--debug", is_flag=True, help="Trace requests and answers."),
        click.option("--context", metavar="NAME", help="Context to use instead of the current one."),
    ):
        command = add(command)
    return command


def _checked_id(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _COMMAND_ID.fullmatch(value):
        raise click.BadParameter("It takes 1 to 200 letters, digits and signs, without blanks.", ctx, parameter)
    return value
