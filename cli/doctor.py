"""`quick doctor`: what is wrong with an instance, and how to mend it."""

from __future__ import annotations

import rich_click as click

from cli.client import Manager, failing_with
from cli.command import QuickCommand
from cli.connection import CliError
from cli.options import manager_options
from cli.output import output_option, print_as

_MARKS = {"ok": "✓", "warning": "!", "error": "✗"}


@click.command("doctor", cls=QuickCommand)
@output_option
@manager_options
def doctor(manager: Manager, output: str | None) -> None:
    """Check broker, topics and their settings, the registry against Kafka, views against the log, clock and disk.

    Exit code 1 tells that something is wrong; warnings alone do not.
    """
    with failing_with("The instance could not be examined. See /health of its host, and what its processes log."):
        findings = manager.get("/doctor")["findings"]
    if output:
        print_as(output, findings)
    else:
        for finding in findings:
            click.echo(f"{_MARKS[finding['level']]} {finding['check']}: {finding['text']}")
            if finding["mend"]:
                click.echo(f"    {finding['mend']}")
    errors = sum(finding["level"] == "error" for finding in findings)
    if errors:
        raise CliError(f"{errors} {'thing is' if errors == 1 else 'things are'} wrong.")
