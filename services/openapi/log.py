"""`/manager/log`, `/manager/diff`, `/manager/replay`: the command log, its past, and the long work on it."""

from __future__ import annotations

from typing import Any, Final

from projections.replay import VIEWS
from services.manager.jobs import AVRO
from services.manager.log import (
    DEFAULT_COMMANDS,
    MAX_WAIT_S,
    DiffBody,
    PassingBody,
    QuarantineBody,
    QuarantineListBody,
    WholeCommandBody,
)
from services.manager.log_pages import MAX_COMMANDS, Page
from services.openapi.parts import (
    COMMAND,
    NDJSON,
    Json,
    body_of,
    flag,
    operation,
    path_parameter,
    query,
    refusals,
    success,
)

TAG: Final = "log"

_POSITION: Final[Json] = {"type": "integer", "minimum": 0, "maximum": 10**18 - 1}
_BYTES: Final[Json] = {"type": "string", "format": "binary"}

_LINES: Final = success(
    'JSON lines: `{"step"}` while it works, `{"finding"}` or `{"difference"}`, at the end `{"result"}` or `{"error"}`.'
    " Empty lines keep the connection open.",
    {"type": "string"},
    media=NDJSON,
)


def _view() -> Json:
    return query("view", "The view.", enum=list(VIEWS), default="registry")


def _moment(name: str, description: str, **more: Any) -> Json:
    return query(name, f"{description}: a position, or a time in ISO 8601 with its offset from UTC.", **more)


PATHS: Final[Json] = {
    "/manager/log": {
        "get": operation(
            "listCommands",
            "A page of commands, newest last: the last ones, those before a position, or those after one.",
            TAG,
            {**success("The commands, and where the next page begins.", Page), **refusals(400)},
            parameters=(
                query(
                    "limit",
                    "Most commands of the page.",
                    type="integer",
                    minimum=1,
                    maximum=MAX_COMMANDS,
                    default=DEFAULT_COMMANDS,
                ),
                query("before", "Only commands before this position.", **_POSITION),
                query("after", "The first commands after this position.", **_POSITION),
                query(
                    "wait",
                    "With `after`: seconds to wait for a command when there is none yet.",
                    type="integer",
                    minimum=0,
                    maximum=int(MAX_WAIT_S),
                    default=0,
                ),
                query("since", "Only commands from this time on, ISO 8601 with its offset from UTC."),
                query("until", "Only commands up to this time, ISO 8601 with its offset from UTC."),
                query("actor", "Only commands of the key of this name."),
                query("command", "Only commands of this kind, such as `create_topic`."),
                query(
                    "target", "Only commands about this, such as `topic/orders`; a `*` at the end stands for anything."
                ),
            ),
        ),
    },
    "/manager/log/{position}": {
        "parameters": [path_parameter("position", "Position of one of its events.", **_POSITION)],
        "get": operation(
            "getCommand",
            "One command, whole, with what it changed.",
            TAG,
            {**success("The command.", WholeCommandBody), **refusals(404)},
        ),
    },
    "/manager/log/verify": {
        "get": operation("verifyLog", "Read the whole log again and check it.", TAG, _LINES),
    },
    "/manager/log/export": {
        "get": operation(
            "exportLog",
            "The log as an Avro object container file; it is whole unless the connection breaks before its end.",
            TAG,
            success("The file.", _BYTES, media=AVRO),
        ),
    },
    "/manager/log/restore": {
        "post": operation(
            "restoreLog",
            "Append an exported log to an empty one.",
            TAG,
            {**_LINES, **refusals(400)},
            parameters=(flag("dryRun", "Only check the file."),),
            body=body_of(_BYTES, media=AVRO),
        ),
    },
    "/manager/log/quarantine": {
        "get": operation(
            "listQuarantined",
            "The records that were passed because nobody can decode them.",
            TAG,
            success("The records.", QuarantineListBody),
        ),
        "post": operation(
            "quarantine",
            "Tell every reader to pass a record that nobody can decode.",
            TAG,
            {**success("Told.", PassingBody), **refusals(400, 413)},
            parameters=COMMAND,
            body=body_of(QuarantineBody),
        ),
    },
    "/manager/diff": {
        "get": operation(
            "diff",
            "What was created, changed and removed between two moments.",
            TAG,
            {**success("The changes.", DiffBody), **refusals(400)},
            parameters=(
                _moment("from", "The first moment", is_required=True),
                _moment("to", "The second moment, now when it is left out"),
            ),
        ),
    },
    "/manager/replay": {
        "get": operation(
            "compareReplay",
            "Rebuild a view beside the live one and compare.",
            TAG,
            {**_LINES, **refusals(400)},
            parameters=(_view(),),
        ),
        "post": operation(
            "replay",
            "Rebuild a view beside the live one, compare, and put it in its place where that is wanted.",
            TAG,
            {**_LINES, **refusals(400)},
            parameters=(_view(), flag("swap", "Put the replay in the place of the live view.")),
        ),
    },
}
