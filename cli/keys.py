"""`quick key …`: API keys."""

from __future__ import annotations

from datetime import datetime

import rich_click as click

from cli.client import Manager, Why, failing_with, hint, in_path
from cli.command import GreedyOption, QuickCommand, QuickGroup
from cli.connection import CliError
from cli.moments import expiry_text
from cli.options import command_options, manager_options
from cli.output import output_option, print_as, print_table
from core.errors import InvalidInputError
from core.scopes import check_scope


class Expiry(click.ParamType[str]):
    """A time in the future; the value is ISO 8601 in UTC."""

    name = "expiry"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the time that *value* names."""
        try:
            return expiry_text(str(value), datetime.now().astimezone())
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time in the future. Write 90d, 12h, or 2027-01-31.", param, ctx)


@click.group(
    cls=QuickGroup,
    commands={"create": "cli.keys:create", "list": "cli.keys:list_keys", "revoke": "cli.keys:revoke"},
)
def key() -> None:
    """API keys: who may do what, under a name that the log keeps."""


@click.command("create", cls=QuickCommand)
@click.argument("name")
@click.option(
    *("-s", "--scope", "scopes"),
    cls=GreedyOption,
    required=True,
    metavar="SCOPE…",
    help="What it may do: admin, manage, ingest:TOPIC, read:GATEWAY, mirror:TOPIC. A name can end with *.",
)
@click.option(
    "--expires", type=Expiry(), metavar="TIME", help="When it ends: 90d, 12h, 2027-01-31. Never, if not said."
)
@command_options
@manager_options
def create(manager: Manager, name: str, scopes: tuple[str, ...], expires: str | None, why: Why) -> None:
    """Create an API key and print it, this once: only its hash is sent and kept."""
    from core.keys import check_name, digest_of, new_secret  # noqa: PLC0415 - 100 ms that help texts do not need

    try:
        check_name(name)
        for scope in scopes:
            check_scope(scope)
    except InvalidInputError as error:
        raise click.UsageError(str(error)) from error
    secret = new_secret(name)
    body = {"scopes": list(scopes), "digest": digest_of(secret), "expiresAt": expires}
    with failing_with(f"Could not create key {name}"):
        created = manager.change("POST", f"/key/{in_path(name)}", body, why=why)
    if created["digest"] != digest_of(secret):
        raise CliError(
            f"The key {name} was created by the command that you repeat, and what was printed then is the key."
            f" If you do not have it: quick key revoke {name}, and create it again."
        )
    click.echo(secret)
    hint("Keep it now: it cannot be shown again.")


@click.command("list", cls=QuickCommand)
@output_option
@manager_options
def list_keys(manager: Manager, output: str | None) -> None:
    """List the keys, beside the deployment's own one (default)."""
    with failing_with("Could not list the keys"):
        found = manager.get("/keys")
    if output:
        print_as(output, found)
        return
    rows = [(one["name"], " ".join(one["scopes"]), one["expiresAt"] or "never", one["created"]) for one in found]
    print_table(("NAME", "SCOPES", "EXPIRES", "CREATED AT POSITION"), rows)


@click.command("revoke", cls=QuickCommand)
@click.argument("name")
@command_options
@manager_options
def revoke(manager: Manager, name: str, why: Why) -> None:
    """Revoke a key: it is refused from then on."""
    with failing_with(f"Could not revoke key {name}"):
        manager.change("DELETE", f"/key/{in_path(name)}", why=why)
    click.echo(f"Revoked key {name}")
