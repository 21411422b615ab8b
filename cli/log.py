"""`quick log …`: who did what, when and why."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import rich_click as click

from cli.changes import change_lines
from cli.client import Manager, Why, failing_with
from cli.command import DefaultGroup, Number, QuickCommand
from cli.connection import CliError, UnreachableError
from cli.moments import Time
from cli.options import command_options, manager_options
from cli.output import output_option, print_as, print_table

PAGE = 1000
"""Commands that are asked for at once, at most."""

WAIT_S = 20
"""How long the manager holds a question for new commands."""

RECONNECT_S = 1.0
"""Pause before `tail` asks again a manager that could not be reached."""

_HEADERS = ("POSITION", "TIME", "ACTOR", "COMMAND", "TARGET", "REASON")


@click.group(
    cls=DefaultGroup,
    commands={
        "list": "cli.log:list_commands",
        "show": "cli.log:show",
        "tail": "cli.log:tail",
        "verify": "cli.log_jobs:verify",
        "export": "cli.log_jobs:export",
        "restore": "cli.log_jobs:restore",
        "quarantine": "cli.log:quarantine",
    },
)
def log() -> None:
    """The command log: who did what, when and why. Alone, it lists the last commands."""


@click.command("list", cls=QuickCommand)
@click.option("--limit", type=Number(1), default=100, show_default=True, help="How many, the last ones.")
@click.option(
    "--since", type=Time(), metavar="TIME", help="Not before: 2026-01-31T12:00, 12:00, or 2h for so long ago."
)
@click.option("--until", type=Time(), metavar="TIME", help="Not after.")
@click.option("--actor", metavar="KEY", help="Only what was done with this key.")
@click.option("--command", metavar="NAME", help="Only commands of this name, as create_topic.")
@click.option("--target", metavar="NOUN/NAME", help="Only what was done to this; topic/* is all topics.")
@output_option
@manager_options
def list_commands(manager: Manager, limit: int, output: str | None, **filters: str | None) -> None:
    """List the last commands, newest last."""
    wanted = {name: value for name, value in filters.items() if value is not None}
    with failing_with("Could not read the log"):
        commands = _last(manager, limit, wanted)
    if output:
        print_as(output, commands)
    else:
        print_table(_HEADERS, [_cells(each) for each in commands])


@click.command("show", cls=QuickCommand)
@click.argument("position", type=Number(1))
@output_option
@manager_options
def show(manager: Manager, position: int, output: str | None) -> None:
    """Show one command, whole, with what it changed."""
    with failing_with(f"Could not show position {position}"):
        found = manager.get(f"/log/{position}")
    if output:
        print_as(output, found)
        return
    for line in _whole(found):
        click.echo(line)


@click.command("tail", cls=QuickCommand)
@click.option("-f", "--follow", is_flag=True, help="Go on with new commands until interrupted.")
@click.option("-n", "--lines", type=Number(0), default=10, show_default=True, help="How many to begin with.")
@click.option("-o", "--output", type=click.Choice(["json"]), help="One JSON object a line.")
@manager_options
def tail(manager: Manager, *, follow: bool, lines: int, output: str | None) -> None:
    """Show the last commands, and with -f those to come."""
    with failing_with("Could not read the log"):
        commands = _last(manager, max(lines, 1), {})
    for each in commands if lines else []:
        click.echo(_line(each, output))
    if follow:
        with suppress(KeyboardInterrupt):  # That is how one ends it.
            for each in _following(manager, commands[-1]["position"] if commands else 0):
                click.echo(_line(each, output))


@click.command("quarantine", cls=QuickCommand)
@click.argument("offset", type=Number(0))
@click.option("--reason", "because", metavar="TEXT", help="Why; it is kept in the log. The same as -m.")
@command_options
@manager_options
def quarantine(manager: Manager, offset: int, because: str | None, why: Why) -> None:
    """Pass a record that nobody can decode, on all machines."""
    told = because or why.reason
    if not told:
        raise click.UsageError("Please say why with --reason.")
    with failing_with(f"Could not quarantine offset {offset}"):
        done = manager.change("POST", "/log/quarantine", {"offset": offset, "reason": told}, why=why)
    if not done["isPassed"]:
        raise CliError(
            f"Offset {offset} is quarantined, but not passed yet: another record before it is unreadable too."
        )
    click.echo(f"Quarantined offset {offset}")


def _last(manager: Manager, limit: int, wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the last *limit* of the wanted commands, newest last, however many pages that takes."""
    pages: list[list[dict[str, Any]]] = []
    before: dict[str, str] = {}
    missing = limit
    while missing > 0:
        page = manager.get("/log", limit=str(min(missing, PAGE)), **wanted, **before)
        pages.append(page["commands"])
        missing -= len(page["commands"])
        if page["next"] is None:
            break
        before = {"before": str(page["next"])}
    return [command for page in reversed(pages) for command in page]


def _following(manager: Manager, after: int) -> Iterator[dict[str, Any]]:
    """Yield the commands that follow on a position, for ever; say once when the manager cannot be asked, and go on."""
    problem = ""
    while True:
        try:
            page = manager.get("/log", after=str(after), wait=str(WAIT_S), limit=str(PAGE))
        except CliError as error:
            if not error.is_passing:
                with failing_with("Could not follow the log"):
                    raise
            if (found := _brief(error)) != problem:
                click.echo(f"{found} Trying again.", err=True)
            problem = found
            time.sleep(RECONNECT_S)
        else:
            if problem:
                click.echo("The log is followed again.", err=True)
            problem = ""
            yield from page["commands"]
            after = page["next"]


def _brief(error: CliError) -> str:
    """Return what happened in one line, without what one could do about it."""
    return error.brief if isinstance(error, UnreachableError) else " ".join(error.format_message().splitlines())


def _cells(command: Mapping[str, Any]) -> Sequence[object]:
    return (command["position"], *(command[name] or "-" for name in ("time", "actor", "command", "target", "reason")))


def _line(command: Mapping[str, Any], output: str | None) -> str:
    if output == "json":
        return json.dumps(command, ensure_ascii=False)
    return "   ".join(str(cell) for cell in _cells(command))


def _whole(command: Mapping[str, Any]) -> Iterator[str]:
    for label, field in (
        ("Position", "position"),
        ("Time", "time"),
        ("Actor", "actor"),
        ("Source", "source"),
        ("Command", "command"),
        ("Target", "target"),
        ("Reason", "reason"),
        ("Command id", "command_id"),
        ("Issued at", "issued_at"),
        ("Trace", "trace"),
        ("Offset", "offset"),
    ):
        if command[field] is not None:
            yield f"{label + ':':<12} {command[field]}"
    yield "Events:"
    for event in command["events"]:
        yield f"    {event['position']} {event['type']} {json.dumps(event['facts'], ensure_ascii=False)}"
    yield "Changes:"
    yield from change_lines(command["changes"], "    ")
