"""The program `quick`: its groups, and what it prints and returns when something goes wrong."""

from __future__ import annotations

import io
import sys
import traceback
from collections.abc import Sequence

import rich_click as click

from cli.command import QuickGroup, usage_error_text
from core.errors import QuickError

VERSION_TEXT = "quick (version {})"


def _print_version(ctx: click.Context, _parameter: click.Parameter, is_asked: bool) -> None:
    if not is_asked or ctx.resilient_parsing:
        return
    from importlib.metadata import version  # noqa: PLC0415 - 40 ms that only this option needs

    click.echo(VERSION_TEXT.format(version("quick-es")))
    ctx.exit()


@click.group(
    cls=QuickGroup,
    commands={
        "up": "cli.up:up",
        "serve": "cli.serve:serve",
        "context": "cli.contexts:context",
        "topic": "cli.topics:topic",
        "gateway": "cli.gateways:gateway",
        "mirror": "cli.mirrors:mirror",
        "ingest": "cli.ingest:ingest",
        "delete": "cli.delete:delete",
        "get": "cli.read:get",
        "range": "cli.read:range_",
        "dump": "cli.dump:dump",
        "query": "cli.query:query",
        "app": "cli.applications:app",
        "k8s": "cli.kubernetes:kubernetes",
        "key": "cli.keys:key",
        "log": "cli.log:log",
        "diff": "cli.history:diff",
        "replay": "cli.history:replay",
        "status": "cli.status:status",
        "doctor": "cli.doctor:doctor",
    },
)
@click.option(
    *("-v", "--version"),
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version.",
)
def quick() -> None:
    """Kafka topics as a queryable, writable, auditable data platform."""


def run(arguments: Sequence[str]) -> int:
    """Run `quick` with *arguments*; return the exit code. Errors are printed on stderr."""
    try:
        return quick.main(list(arguments), prog_name="quick", standalone_mode=False) or 0
    except click.ClickException as error:
        text = usage_error_text(error) if isinstance(error, click.UsageError) else error.format_message()
        click.echo(text, err=True)
        return error.exit_code
    except QuickError as error:
        click.echo(str(error), err=True)
        return 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted quick. Exiting now.", err=True)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # Who reads our output has gone, as `head` does; the interpreter must not complain either.
        return 1
    except Exception as error:  # noqa: BLE001 - the last resort of a program: two sentences instead of a trace
        if "--debug" in arguments:
            traceback.print_exc()
        click.echo("Unexpected error. Exiting now.", err=True)
        click.echo(f"It is a mistake in quick ({type(error).__name__}: {error}): please report it.", err=True)
        return 1


def main() -> None:
    """Run the program that the command line asks for."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # As stderr has it: a sign that a terminal lacks is no error.
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
