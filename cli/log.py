"""`quick log …`: who did what."""

from __future__ import annotations

import rich_click as click

from cli.client import Manager, failing_with, manager_options
from cli.command import DefaultGroup, QuickCommand
from cli.output import output_option, print_as, print_table


@click.group(cls=DefaultGroup, commands={"list": "cli.log:list_commands"})
def log() -> None:
    """The command log: who did what, when and why. Alone, it lists the last commands."""


@click.command("list", cls=QuickCommand)
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many, the last ones.")
@output_option
@manager_options
def list_commands(manager: Manager, limit: int, output: str | None) -> None:
    """List the last commands, newest last."""
    with failing_with("Could not read the log"):
        commands = manager.get("/log", limit=str(limit))["commands"]
    if output:
        print_as(output, commands)
        return
    rows = [
        (each["position"], each["time"], each["actor"] or "-", each["command"] or "-", each["target"] or "-")
        for each in commands
    ]
    print_table(("POSITION", "TIME", "ACTOR", "COMMAND", "TARGET"), rows)
