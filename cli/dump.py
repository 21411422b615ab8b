"""`quick dump`: all entries of a topic into a file, or to stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import rich_click as click

from cli.command import QuickCommand, examples
from cli.connection import CliError
from cli.dump_files import FORMATS, dump_file
from cli.mirror_client import Mirrors
from cli.options import mirror_options
from cli.output import counted
from cli.progress import count_progress

_EXAMPLES = (
    "quick dump flight --out flight.ndjson",
    "quick dump flight | quick ingest flight-copy -",
    "quick dump flight --as csv --out flight.csv",
    "quick dump flight --as avro > flight.avro",
)


@click.command("dump", cls=QuickCommand, epilog=examples(*_EXAMPLES))
@click.argument("topic")
@click.option(
    "--as",
    "said_format",
    type=click.Choice(FORMATS, case_sensitive=False),
    default=FORMATS[0],
    show_default=True,
    help="Pairs as NDJSON, rows with a column for the key as CSV, or an Avro object container file.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write this file, and not to stdout.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@mirror_options
def dump(mirrors: Mirrors, topic: str, said_format: str, out: Path | None, *, quiet: bool) -> None:
    """Write the last value of every key. What is written meanwhile may be in it or not.

    A file is replaced whole or not at all; to stdout comes what there is until something fails, with exit code 1.
    """
    written = 0
    is_quiet = quiet or (out is None and sys.stdout.isatty())
    try:
        with mirrors.of(topic) as mirror:
            status = mirror.status()
            with _opened(out) as opened, count_progress(status.entries, is_quiet=is_quiet) as advance:
                file = dump_file(said_format, opened, status)
                for page in mirror.pages():
                    file.write(page)
                    written += len(page)
                    advance(written)
                file.end()
    except CliError as error:
        raise CliError(f"{error.format_message()}\n{_outcome(topic, written, out)}") from error
    if out is not None:
        click.echo(f"Dumped {counted(written, 'record')} of topic {topic} to {out}")


def _outcome(topic: str, written: int, out: Path | None) -> str:
    """Return what there is of a dump that failed."""
    what = f"Could not dump topic {topic}"
    if out is not None:
        return f"{what}: {out} is as it was before."
    return f"{what}: it was cut off after {counted(written, 'record')}." if written else what


@contextmanager
def _opened(out: Path | None) -> Iterator[IO[bytes]]:
    """Open what is written to; an ordinary file appears when all is written, a pipe or a device is used as it is.

    Raises:
        CliError: It cannot be written.
    """
    try:
        if out is None:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
            return
        if out.exists() and not out.is_file():
            with out.open("wb") as device:
                yield device
            return
        with _replacing(out.resolve()) as fresh:  # Of a link, what it points to.
            yield fresh
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CliError(f"Cannot write {out or 'stdout'}: {error.strerror}. Choose another file.") from error


@contextmanager
def _replacing(out: Path) -> Iterator[IO[bytes]]:
    fresh = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        with fresh.open("wb") as opened:
            yield opened
        fresh.replace(out)
    finally:
        with suppress(OSError):
            fresh.unlink()
