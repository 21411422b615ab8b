"""Long work on the log and its views, each in a process of its own.

Its arguments are one of:

    verify                      read the whole log again and check it
    export                      the log as an Avro object container file, on stdout
    restore FILE [--dry-run]    append an exported log to an empty one
    replay VIEW [--swap]        rebuild a view beside the live one, compare, and put it in its place

All but `export` print JSON lines: `{"step": …}` while they work, `{"finding": …}` or `{"difference": …}` for what they
find, and at the end `{"result": …}` or `{"error": …, "kind": …}`.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from core.command_log import CommandLog
from core.errors import ConflictError, InvalidInputError, QuickError, UnavailableError, UnsafeLogError
from core.kafka_admin import KafkaAdmin
from core.log_export import export_log
from core.log_index import LogIndex
from core.log_restore import LogRestore
from core.log_topic import LogTopic
from core.log_verification import Verification
from core.settings import Settings
from projections.past import past_registries
from projections.places import ViewFolder, current, log_index_path
from projections.replay import replay
from projections.status import StatusView

Say = Callable[[dict[str, Any]], None]


class Jobs:
    """The jobs over one data folder.

    Args:
        settings: The settings of the server that the folder belongs to.
        say: Takes what is printed as a line.

    Raises:
        UnavailableError: No projector has ever worked on the data folder.
    """

    def __init__(self, settings: Settings, say: Say) -> None:
        folder = current(settings.data_dir)
        if folder is None:
            raise UnavailableError(f"There are no views in {settings.data_dir}. Start Quick there first.")
        self._settings = settings
        self._say = say
        self._scratch = _own_scratch(settings.data_dir / "jobs")
        self._folder: ViewFolder = folder
        self._index_path = log_index_path(settings.data_dir, settings.log_topic, folder)

    def close(self) -> None:
        """Remove what the job has left on the disk."""
        shutil.rmtree(self._scratch)

    def verify(self) -> None:
        """Check the whole log, and the index that this machine serves from."""
        findings = 0
        self._say({"step": f"reading {self._settings.log_topic} from its beginning"})
        try:
            with (
                Verification(self._topic(), self._scratch) as verification,
                closing(self._live_index()) as live,
            ):
                for finding in verification.findings(live):
                    self._say({"finding": finding})
                    findings += 1
                position = verification.index.max_notification_id() or 0
                offset = verification.index.next_offset()
        except UnsafeLogError as error:
            for finding in str(error).splitlines():
                self._say({"finding": finding})
            self._say({"result": {"findings": len(str(error).splitlines())}})
        else:
            self._say({"result": {"findings": findings, "position": position, "offset": offset}})

    def export(self) -> None:
        """Write the file to stdout."""
        with closing(self._live_index()) as live:
            for piece in export_log(live, self._settings.log_topic, self._folder.path.name):
                sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    def restore(self, file: Path, *, is_dry_run: bool) -> None:
        """Append an exported log to an empty one."""
        self._say({"step": "checking the file"})
        with (
            LogRestore(file, self._scratch) as restore,
            closing(CommandLog(self._topic(), self._index_path.parent)) as log,
        ):
            plan = restore.plan(log.index)
            last = past_registries(restore.index, [plan.last_position])[0]
            self._refuse_foreign_topics({row.state.name: row.incarnation for row in last.topics()})
            if not is_dry_run:
                restore.run(log, lambda done: self._say({"step": f"{done} of {plan.commands} commands"}))
            self._say(
                {
                    "result": {
                        **plan._asdict(),
                        "topics": len(last.topics()),
                        "gateways": len(last.gateways()),
                        "applications": len(last.applications()),
                        "is_dry_run": is_dry_run,
                    }
                }
            )

    def replay(self, view: str, *, swaps: bool) -> None:
        """Rebuild a view beside the live one."""
        self._say({"step": f"rebuilding the view {view} beside the live one"})
        with replay(view, self._settings, self._folder, self._index_path, self._scratch) as rebuilt:
            done = rebuilt.compare(lambda difference: self._say({"difference": difference._asdict()}))
            if swaps:
                rebuilt.swap()
            self._say({"result": {"view": view, **done._replace(is_swapped=swaps)._asdict()}})

    def _refuse_foreign_topics(self, incarnations: dict[str, int]) -> None:
        """Make sure that Kafka has no topic of these names, but those that a restore has made already."""
        existing = KafkaAdmin(self._settings.kafka).topic_names() & incarnations.keys()
        with closing(StatusView.open(self._folder.status)) as status:
            foreign = sorted(name for name in existing if status.topic(name, incarnations[name]) is None)
        if foreign:
            raise ConflictError(
                f"The cluster is not empty: Kafka has the topic {foreign[0]}"
                f"{f' and {len(foreign) - 1} more' if len(foreign) > 1 else ''} of the log that is to be restored."
                " Restore into an empty cluster, or delete these topics."
            )

    def _topic(self) -> LogTopic:
        settings = self._settings
        return LogTopic(settings.kafka, settings.log_topic, replication_factor=settings.replication_factor)

    def _live_index(self) -> LogIndex:
        return LogIndex(self._index_path, self._settings.log_topic, readonly=True)


def run(arguments: Sequence[str], say: Say) -> int:
    """Run the job that *arguments* name; return the exit code."""
    try:
        with closing(Jobs(Settings.from_env(os.environ), say)) as jobs:
            match arguments:
                case ["verify"]:
                    jobs.verify()
                case ["export"]:
                    jobs.export()
                case ["restore", file, *options]:
                    jobs.restore(Path(file), is_dry_run="--dry-run" in options)
                case ["replay", view, *options]:
                    jobs.replay(view, swaps="--swap" in options)
                case _:
                    raise InvalidInputError(f"There is no job {' '.join(arguments)}.")
    except QuickError as error:
        say({"error": str(error), "kind": type(error).__name__})
        return 1
    return 0


def _own_scratch(folder: Path) -> Path:
    """Return a folder for this process alone, and remove those of jobs that were killed."""
    folder.mkdir(exist_ok=True)
    for left in folder.iterdir():
        if not Path("/proc", left.name).exists():
            shutil.rmtree(left, ignore_errors=True)  # Another job may be doing the same.
    own = folder / str(os.getpid())
    own.mkdir()
    return own


def _print(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def main() -> int:
    """Run the job that the command line names; return the exit code."""
    logging.basicConfig(level=os.environ.get("QUICK_LOG_LEVEL", "WARNING"), format="job: %(message)s")
    is_export = sys.argv[1:] == ["export"]
    return run(sys.argv[1:], _print_error if is_export else _print)


def _print_error(line: dict[str, Any]) -> None:
    print(line["error"], file=sys.stderr)  # noqa: T201 - stdout is the file


if __name__ == "__main__":
    sys.exit(main())
