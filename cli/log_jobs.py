"""`quick log verify|export|restore`: long work on the whole log."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, Any

import rich_click as click

from cli.client import Manager, failing_with, hint
from cli.command import QuickCommand
from cli.connection import CliError
from cli.options import manager_options
from cli.output import counted, output_option, print_as
from core.errors import QuickError

_PIECE_BYTES = 256 * 1024


@click.command("verify", cls=QuickCommand)
@output_option
@manager_options
def verify(manager: Manager, output: str | None) -> None:
    """Read the whole log again and check it; exit 1 names what is wrong, with topic, partition and offset."""
    findings: list[str] = []
    result: dict[str, Any] = {}
    with failing_with("Could not verify the log"):
        for line in manager.lines("GET", "/log/verify"):
            result = line.get("result", result)
            if "finding" in line:
                findings.append(line["finding"])
            elif "step" in line:
                hint(line["step"])
    if output:
        print_as(output, {"findings": findings, **{key: result[key] for key in result if key != "findings"}})
    else:
        for finding in findings:
            click.echo(finding)
    if findings:
        raise CliError(f"The log has {counted(len(findings), 'problem')}.")
    if not output:
        events, records = counted(result["position"], "event"), counted(result["offset"], "record")
        click.echo(f"The log is sound: {events} in {records}.")


@click.command("export", cls=QuickCommand)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Read the index in this data folder, without a server: for one that cannot start.",
)
@click.option("--log-topic", default="__quick-log", show_default=True, help="The log's topic, with --data-dir.")
@manager_options
def export(manager: Manager, file: Path, data_dir: Path | None, log_topic: str) -> None:
    """Write the log to an Avro object container file, which any Avro tool reads; - is stdout."""
    with failing_with("Could not export the log"):
        if data_dir is None:
            with manager.stream("GET", "/log/export") as answer:
                count = _write(file, answer.iter_bytes(_PIECE_BYTES))
        else:
            count = _write(file, _pieces_of(data_dir, log_topic))
    if count is not None:
        click.echo(f"Exported {counted(count, 'command')} to {file}")


@click.command("restore", cls=QuickCommand)
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--dry-run", is_flag=True, help="Check the file and the cluster, and change nothing.")
@manager_options
def restore(manager: Manager, file: Path, *, dry_run: bool) -> None:
    """Restore an exported log into an empty cluster: the same positions, times and schema IDs. - is stdin."""
    result: dict[str, Any] = {}
    with failing_with(f"Could not restore the log from {file}"), _opened(file) as opened:
        parameters = {"dryRun": "true"} if dry_run else {}
        for line in manager.lines("POST", "/log/restore", content=_pieces(opened), parameters=parameters):
            result = line.get("result", result)
            if "step" in line:
                hint(line["step"])
    what = f"{counted(result['commands'], 'command')} up to position {result['last_position']}, with {_things(result)}"
    if result["present"]:
        what += f"; {result['present']} of {result['commands']} commands are there already"
    click.echo(f"Would restore {what}" if dry_run else f"Restored {what}")


def _things(result: Mapping[str, Any]) -> str:
    """Return what is alive at the end of a restored log; applications are named where there are any."""
    things = [counted(result["topics"], "topic"), counted(result["gateways"], "gateway")]
    if result.get("applications"):
        things.append(counted(result["applications"], "application"))
    return f"{', '.join(things[:-1])} and {things[-1]}"


def _write(file: Path, pieces: Iterator[bytes]) -> int | None:
    """Write *pieces* to *file*; return the number of commands in it, `None` where it cannot be read again.

    An ordinary file is replaced whole or not at all; a pipe or a device is written to as it is.
    """
    if str(file) == "-":
        for piece in pieces:
            sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
        return None
    try:
        if file.exists() and not file.is_file():
            with file.open("wb") as out:
                out.writelines(pieces)
            return None
        return _replace(file.resolve(), pieces)  # Of a link, what it points to.
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CliError(f"Cannot write {file}: {error.strerror}. Choose another file.") from error


def _replace(file: Path, pieces: Iterator[bytes]) -> int:
    fresh = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with fresh.open("wb") as out:
            out.writelines(pieces)
        count = _count(fresh)
        fresh.replace(file)
    finally:
        with suppress(OSError):
            fresh.unlink()
    return count


def _count(file: Path) -> int:
    """Return the number of commands in an export, read as a restore would."""
    from core.log_export import LogExport  # noqa: PLC0415 - 100 ms that help texts do not need

    with file.open("rb") as written:
        try:
            return sum(1 for _ in LogExport(written).commands())
        except QuickError as error:
            raise CliError(f"What came is not whole, and nothing was written: {error}") from error


def _opened(file: Path) -> AbstractContextManager[IO[bytes]]:
    return nullcontext(sys.stdin.buffer) if str(file) == "-" else file.open("rb")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(_PIECE_BYTES):
        yield piece


def _pieces_of(data_dir: Path, log_topic: str) -> Iterator[bytes]:
    """Yield the export of the index that lies in a data folder."""
    from core.log_export import export_log  # noqa: PLC0415 - what a client does not need otherwise
    from core.log_index import LogIndex  # noqa: PLC0415
    from projections.places import current, log_index_path  # noqa: PLC0415

    folder = current(data_dir)
    if folder is None:
        raise CliError(f"There is no index in {data_dir}: no Quick has ever run on it.")
    path = log_index_path(data_dir, log_topic, folder)
    if not path.exists():
        raise CliError(f"There is no index of the log {log_topic} in {data_dir}. Name its topic with --log-topic.")
    try:
        index = LogIndex(path, log_topic, readonly=True)
    except QuickError as error:
        raise CliError(str(error)) from error
    try:
        yield from export_log(index, log_topic, folder.path.name)
    finally:
        index.close()
