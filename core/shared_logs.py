"""Open command logs of this process, shared by all who name the same topic and folder.

LMDB refuses two environments of one path in a process, so recorders made one after the other share one log. A
process that was forked starts with none: neither LMDB nor librdkafka survives a fork.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from core.command_log import CommandLog
from core.log_topic import LogTopic

_Key = tuple[int, str, str, str]

_lock = threading.Lock()
_open: dict[_Key, tuple[CommandLog, int]] = {}


def open_log(bootstrap: str, topic: str, folder: Path, *, replication_factor: int = 1) -> CommandLog:
    """Return the log of *topic* with its index in *folder*, opened if it is not yet; pair with `release_log`."""
    key = (os.getpid(), bootstrap, topic, str(folder.absolute()))
    with _lock:
        if key in _open:
            log, users = _open[key]
        else:
            log, users = (
                CommandLog(LogTopic(bootstrap, topic, replication_factor=replication_factor), folder),
                0,
            )
        _open[key] = (log, users + 1)
        return log


def release_log(log: CommandLog) -> None:
    """Give *log* back; it is closed when nobody uses it any more."""
    with _lock:
        for key, (shared, users) in _open.items():
            if shared is log:
                if users > 1:
                    _open[key] = (log, users - 1)
                else:
                    del _open[key]
                    log.close()
                return
