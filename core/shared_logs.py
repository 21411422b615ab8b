"""Open command logs of this process, shared by all who name the same topic and folder.

LMDB refuses two environments of one path in a process, so recorders made one after the other share one log. A
process that was forked starts with none: neither LMDB nor librdkafka survives a fork.

The library closes an application that is dropped unclosed when it is collected as garbage. That happens in whatever
thread allocates memory, in the middle of anything: hence the reentrant locks, and the care about the log's own thread.
"""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path

from core.command_log import CommandLog
from core.log_follower import LogFollower
from core.log_topic import LogTopic

_Key = tuple[int, str, str, str]


class _Shared:
    """One open log and the number of its users, those who are opening it included.

    Who opens or closes holds `lock`: others who want this log wait, and nobody waits for another log's broker.
    """

    def __init__(self, key: _Key) -> None:
        self.key = key
        self.lock = threading.RLock()
        self.log: CommandLog | None = None
        self.users = 0

    def close(self) -> None:
        if self.log is not None:
            _by_log.pop(id(self.log), None)
            self.log.close()
            self.log = None


_lock = threading.RLock()
_by_key: dict[_Key, _Shared] = {}
_by_log: dict[int, _Shared] = {}


def open_log(bootstrap: str, topic: str, folder: Path, *, replication_factor: int = 1) -> CommandLog:
    """Return the log of *topic* with its index in *folder*, opened if it is not yet; pair with `release_log`.

    Args:
        bootstrap: Brokers, as HOST:PORT.
        topic: Created when absent.
        folder: Where the index lies.
        replication_factor: Replicas of a topic that has to be created.

    Raises:
        UnsafeLogError: The topic's settings could lose commands.
        KafkaUnavailableError: No broker answered.
        KafkaRefusedError: Kafka does not take the topic's name or the number of replicas.
    """
    key = (os.getpid(), bootstrap, topic, str(folder.absolute()))
    with _lock:
        shared = _by_key.setdefault(key, _Shared(key))
        shared.users += 1
    try:
        with shared.lock:
            if shared.log is None:
                shared.log = CommandLog(LogTopic(bootstrap, topic, replication_factor=replication_factor), folder)
                _by_log[id(shared.log)] = shared
            return shared.log
    except BaseException:
        _leave(shared)
        raise


def release_log(log: CommandLog) -> None:
    """Give *log* back; it is closed when nobody uses it any more."""
    if (shared := _by_log.get(id(log))) is None:
        return
    if isinstance(threading.current_thread(), LogFollower):
        # Collected by a log's own thread, which cannot wait for its own end.
        threading.Thread(target=_leave, args=(shared,), name=f"close {log.topic.name}", daemon=True).start()
    else:
        _leave(shared)


def close_open_logs() -> None:
    """Close every log of this process, whoever uses it. Runs at exit: a short program need not close its own."""
    with _lock:
        held = [shared for shared in list(_by_key.values()) if shared.key[0] == os.getpid()]
        _by_key.clear()
    for shared in held:
        with shared.lock:
            shared.close()


def _leave(shared: _Shared) -> None:
    with shared.lock:
        with _lock:
            shared.users -= 1
            if shared.users > 0:
                return
        shared.close()
        with _lock:
            # Who came while it was closing waits for the lock, and opens it again.
            if shared.users == 0 and _by_key.get(shared.key) is shared:
                del _by_key[shared.key]


atexit.register(close_open_logs)
