"""`quick diff`, `quick replay`: what changed between two moments, and whether the views are what the log says."""

from __future__ import annotations

import json
from typing import Any

import rich_click as click

from cli.changes import change_lines
from cli.client import Manager, failing_with, hint
from cli.command import QuickCommand
from cli.connection import CliError
from cli.moments import Moment
from cli.options import manager_options
from cli.output import counted, output_option, print_as

VIEWS = ("log", "registry", "status")


@click.command("diff", cls=QuickCommand)
@click.argument("before", metavar="A", type=Moment())
@click.argument("after", metavar="[B]", type=Moment(), required=False)
@output_option
@manager_options
def diff(manager: Manager, before: str, after: str | None, output: str | None) -> None:
    """Show what was created, changed and removed between two moments. B is now, if not said.

    A moment is a position (17) or a time: 2026-01-31T12:00, 12:00, or 2h for two hours ago.
    """
    moments = {"from": before} if after is None else {"from": before, "to": after}
    with failing_with("Could not compare"):
        found = manager.get("/diff", **moments)
    if output:
        print_as(output, found)
        return
    for line in change_lines(found["changes"]):
        click.echo(line)


@click.command("replay", cls=QuickCommand)
@click.option("--view", "views", type=click.Choice(VIEWS), multiple=True, help="Only this view; all, if not said.")
@click.option("--compare", is_flag=True, help="Only compare; this is what happens if nothing is said.")
@click.option("--swap", is_flag=True, help="Put the rebuilt view in the place of the live one, at once.")
@manager_options
def replay(manager: Manager, views: tuple[str, ...], *, compare: bool, swap: bool) -> None:
    """Rebuild views beside the live ones from the beginning of the log, and report every difference.

    Nothing else happens: no topic is made, nothing is deployed. Exit code 1 tells that views differ.
    """
    if compare and swap:
        raise click.UsageError("--compare and --swap exclude each other.")
    count = 0
    for view in views or VIEWS:
        with failing_with(f"Could not replay the view {view}"):
            result = _replayed(manager, view, is_swapped=swap)
        count += result["differences"]
        state = "now the rebuilt one" if swap else "the same" if not result["differences"] else "different"
        click.echo(f"{view}: {state}, at {result['position']}, {counted(result['differences'], 'difference')}")
    if count and not swap:
        raise CliError(
            "Views differ from what the log says. To put the rebuilt ones in their place: quick replay --swap"
        )


def _replayed(manager: Manager, view: str, *, is_swapped: bool) -> dict[str, Any]:
    """Replay one view, print its differences as they come, and return the result."""
    result: dict[str, Any] = {}
    parameters = {"view": view, "swap": "true"} if is_swapped else {"view": view}
    for line in manager.lines("POST" if is_swapped else "GET", "/replay", parameters=parameters):
        result = line.get("result", result)
        if "difference" in line:
            found = line["difference"]
            click.echo(f"{view} {found['entry']}")
            click.echo(f"    live    {json.dumps(found['live'], ensure_ascii=False)}")
            click.echo(f"    rebuilt {json.dumps(found['rebuilt'], ensure_ascii=False)}")
        elif "step" in line:
            hint(line["step"])
    return result
