"""`quick context …`: which hosts the CLI talks to."""

from __future__ import annotations

import os
import re

import rich_click as click

from cli.command import QuickCommand, QuickGroup
from cli.config import Config, as_yaml, config_path
from cli.connection import CliError
from cli.options import NOT_INITIALIZED, load_config


@click.group(
    cls=QuickGroup,
    commands={
        "create": "cli.contexts:create",
        "list": "cli.contexts:list_contexts",
        "describe": "cli.contexts:describe",
        "activate": "cli.contexts:activate",
    },
)
def context() -> None:
    """Hosts and API keys that the CLI knows."""


@click.command("create", cls=QuickCommand)
@click.option("--host", help="URL of the host.")
@click.option("--key", help="API key of the host.")
@click.option("--context", "name", help="Name of the context; the host by default.")
@click.option("--debug", is_flag=True, hidden=True)
def create(host: str | None, key: str | None, name: str | None, debug: bool) -> None:
    """Add a context; the first one becomes the current one."""
    if host is None:
        host = click.prompt("Enter your host address (example: https://hostaddress.com)")
    if key is None:
        key = click.prompt(f"Enter the API key for {host}", hide_input=True)
    config = load_config() or Config()
    _save(config.with_context(name or default_name(host), host, key))


@click.command("list", cls=QuickCommand)
@click.option("--debug", is_flag=True, hidden=True)
def list_contexts(debug: bool) -> None:
    """Show all contexts, with their keys."""
    config = _config()
    click.echo(as_yaml({name: found.as_yaml() for name, found in config.contexts.items()}), nl=False)
    click.echo(f"currentContext: {config.current}")


@click.command("describe", cls=QuickCommand)
@click.option("--context", "name", help="Name of the context; the current one by default.")
@click.option("--debug", is_flag=True, hidden=True)
def describe(name: str | None, debug: bool) -> None:
    """Show one context, with its key."""
    config = _config()
    chosen = name or config.current
    if chosen is None or chosen not in config.contexts:
        raise CliError(f"Context {chosen} not found")
    click.echo(as_yaml(config.contexts[chosen].as_yaml()), nl=False)


@click.command("activate", cls=QuickCommand)
@click.argument("name")
@click.option("--debug", is_flag=True, hidden=True)
def activate(name: str, debug: bool) -> None:
    """Make a context the current one."""
    config = _config()
    if name not in config.contexts:
        raise CliError(f"Context {name} does not exist. To create one, run: \n\t$ quick context create")
    _save(config.activated(name))


def default_name(host: str) -> str:
    """Return the host without `http(s)://`, `www.` and slashes."""
    return re.sub(r"^(https?://)?(www\.)?", "", host).replace("/", "")


def _save(config: Config) -> None:
    path = config_path(os.environ)
    try:
        config.save(path)
    except OSError as error:
        raise CliError(
            f"Cannot write the configuration {path}: {error.strerror}. Name another file in QUICK_CONFIG."
        ) from error


def _config() -> Config:
    config = load_config()
    if config is None:
        raise CliError(NOT_INITIALIZED)
    return config
