"""`quick ingest`: the records of a file, or of stdin, into a topic."""

from __future__ import annotations

import io
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from cli.client import Manager, failing_with, in_path
from cli.command import Number, QuickCommand, examples
from cli.connection import CliError
from cli.ingest_client import Ingest, IngestSession
from cli.ingestion import Ingestion
from cli.options import ingest_options
from cli.output import counted, output_option, print_as
from cli.progress import progress_bar
from cli.record_files import FORMATS, CsvFile, Fields, InputFile, JsonFile, NdjsonFile, RecordFile, Source, format_of

_EXAMPLES = (
    "quick ingest flight flights.ndjson",
    "quick ingest flight flights.csv --key icao24",
    "zcat flights.json.gz | quick ingest flight - --key icao24",
    "quick ingest flight flights.csv --key icao24 --dry-run",
    "quick ingest flight flights.csv --key icao24 --skip-bad bad.ndjson",
)


class Delimiter(click.ParamType[str]):
    r"""One character; a tab may be written as `\t`."""

    name = "character"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the character."""
        found = "\t" if value == r"\t" else str(value)
        if len(found) != 1 or found in '"\r\n':
            self.fail(f"{value!r} is no delimiter. Write one character, as ; or \\t.", param, ctx)
        return found


@click.command("ingest", cls=QuickCommand, epilog=examples(*_EXAMPLES))
@click.argument("topic")
@click.argument("file", metavar="FILE|-", type=InputFile())
@click.option("--key", metavar="FIELD", help="Field or column of the key: the records are plain objects, or CSV.")
@click.option("--value", metavar="FIELD", help="Field or column of the value; all of them as an object, if not said.")
@click.option(
    "--format",
    "said_format",
    type=click.Choice(FORMATS, case_sensitive=False),
    help="By the name or the beginning of the file, if not said.",
)
@click.option("--delimiter", type=Delimiter(), default=",", show_default=True, help="Between the cells of a CSV file.")
@click.option(
    "--from-line",
    type=Number(1),
    default=1,
    help="Go on from this line of the file; in a JSON list, from the element of this number.",
)
@click.option("--batch-size", type=Number(1), default=500, show_default=True, help="Records in a request, at most.")
@click.option("--retry-for", type=Number(0), default=60, show_default=True, help="Seconds to wait for a busy server.")
@click.option(
    "--skip-bad",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Put records that cannot be written into this file, as NDJSON, and go on.",
)
@click.option("--strict", is_flag=True, help="Refuse fields that the topic's type does not have.")
@click.option("--dry-run", is_flag=True, help="Have the server check all records, and write none.")
@click.option("-q", "--quiet", is_flag=True, help="Show no progress.")
@output_option
@ingest_options
def ingest(
    manager: Manager,
    ingest: Ingest,
    topic: str,
    file: io.BufferedReader,
    from_line: int,
    output: str | None,
    **options: Any,
) -> None:
    """Write the records of a file to a topic; - is stdin.

    A file is a JSON list of {"key": …, "value": …}, or has one of them a line (NDJSON). With --key FIELD, it has plain
    objects, or is CSV with a header. Each batch is written whole or not at all; what stops says where to go on.
    """
    source = Source(file)
    records = _record_file(source, manager, topic, options)
    parameters = {name: "true" for name, is_on in _parameters(options) if is_on}
    began = time.monotonic()
    with ExitStack() as stack:
        rejects = stack.enter_context(_rejects(options["skip_bad"], file, is_continued=from_line > 1))
        session = stack.enter_context(ingest.session(retry_for_s=options["retry_for"]))
        if options["dry_run"]:
            _check_dry_run(session, topic, parameters)
        advance = stack.enter_context(progress_bar(source, is_quiet=options["quiet"]))
        run = Ingestion(
            session,
            topic,
            records,
            parameters=parameters,
            rejects=rejects,
            is_dry=options["dry_run"],
            advance=advance,
        )
        with _telling_where_to_go_on(run, topic, source):
            run.run(from_line, options["batch_size"])
    run.tell_rest()
    _print_result(run, topic, time.monotonic() - began, output, is_dry=options["dry_run"])
    if run.bad:
        raise CliError(_bad_text(run, topic, options["skip_bad"]))


def _parameters(options: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    yield "strict", options["strict"]
    yield "dryRun", options["dry_run"]


def _record_file(source: Source, manager: Manager, topic: str, options: dict[str, Any]) -> RecordFile:
    fields = Fields(options["key"], options["value"])
    found = format_of(source, options["said_format"])
    if fields.key is None and found == "csv":
        raise click.UsageError("Please name the column of the key with --key FIELD: a CSV file needs it.")
    if fields.key is None and fields.value is not None:
        raise click.UsageError("The --value option can be set only when a --key is set")
    if found == "csv":
        return CsvFile(source, fields, options["delimiter"], lambda: _topic(manager, topic))
    return NdjsonFile(source, fields) if found == "ndjson" else JsonFile(source, fields)


def _topic(manager: Manager, topic: str) -> Any:
    text = (
        f"Could not find out the types of topic {topic}, which the cells of a CSV file are read by. They are told to"
        " keys with the scope manage; JSON needs none."
    )
    missing = f"There is no topic {topic} registered. Please create one: \n\t $ quick topic create {topic}"
    with failing_with(text, missing=missing):
        return manager.get(f"/topic/{in_path(topic)}")


def _check_dry_run(session: IngestSession, topic: str, parameters: dict[str, str]) -> None:
    """Refuse a server that does not know what a dry run is: it would write."""
    if not session.send("POST", topic, [], {"verdicts": "true", **parameters}).has_verdicts:
        raise CliError(
            "The server is older than this program, and cannot check records without writing them. Nothing is written."
            " Upgrade the server, or leave out --dry-run."
        )


@contextmanager
def _rejects(path: Path | None, file: io.BufferedReader, *, is_continued: bool) -> Iterator[IO[bytes] | None]:
    """Open the file for bad records: a new one, unless a run is continued that has begun it."""
    if path is None:
        yield None
        return
    try:
        if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise click.UsageError(f"argument --skip-bad: {path} is what is read. Name another file.")
        opened = path.open("ab" if is_continued else "wb")
    except OSError as error:
        raise click.UsageError(f"argument --skip-bad: can't open '{path}': {error.strerror}") from error
    with opened:
        yield opened


@contextmanager
def _telling_where_to_go_on(run: Ingestion, topic: str, source: Source) -> Iterator[None]:
    """Whatever stops a run: say what is written, and how to go on."""
    try:
        yield
    except CliError as error:
        run.tell_rest()
        texts = (error.format_message(), f"{run.standing()} Continue with: {_again(run, topic, source)}")
        raise CliError("\n".join(filter(None, texts))) from error
    except BaseException:  # Ctrl-C above all.
        click.echo(f"{run.standing()} Continue with: {_again(run, topic, source)}", err=True)
        raise


def _again(run: Ingestion, topic: str, source: Source) -> str:
    """Return the command line that goes on with what is not written."""
    ctx = get_current_context()
    words = ["quick", "ingest", topic, source.given]
    for option in ctx.command.params:
        name = option.name or ""
        is_said = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if isinstance(option, click.Option) and is_said and name != "from_line":
            words += [option.opts[-1]] if option.is_flag else [option.opts[-1], str(ctx.params[name])]
    return shlex.join([*words, "--from-line", str(run.next_number)])


def _print_result(run: Ingestion, topic: str, seconds: float, output: str | None, *, is_dry: bool) -> None:
    if output:
        result = {"topic": topic, "records": run.written, "seconds": round(seconds, 3), "position": run.position}
        print_as(output, result)
    elif is_dry:
        click.echo(f"Checked {_records(run.written + run.bad)} for topic {topic}: {run.written:,} can be written")
    else:
        rate = run.written / max(seconds, 0.001)
        click.echo(f"Wrote {_records(run.written)} to topic {topic} ({rate:,.0f} records/s)")


def _bad_text(run: Ingestion, topic: str, skip_bad: Path | None) -> str:
    kept = "" if skip_bad is None else f" They are in {skip_bad}, to be mended."
    return f"{counted(run.bad, 'record')} cannot be written to topic {topic}.{kept}"


def _records(count: int) -> str:
    return f"{count:,} record" if count == 1 else f"{count:,} records"
