"""Waiting for a projection: recorders of tracking that notice within milliseconds how far another thread has come."""

from __future__ import annotations

import threading
import time

from eventsourcing.persistence import TrackingRecorder, WaitInterruptedError

FIRST_PAUSE_S = 0.001
LONGEST_PAUSE_S = 0.003
"""A look is one read of a key in LMDB, a few microseconds: a waiter takes about one percent of a core."""


class PromptTrackingRecorder(TrackingRecorder):
    """A tracking recorder whose `wait` looks every few milliseconds, where the library looks every 100 to 800.

    It looks instead of being told, because the one who is waited for may be another process.
    """

    def wait(
        self,
        application_name: str,
        notification_id: int | None,
        timeout: float = 1.0,
        interrupt: threading.Event | None = None,
    ) -> None:
        """Block until *application_name* is processed up to *notification_id*, so that a caller reads its own write.

        Args:
            application_name: The application whose events are processed.
            notification_id: What is waited for; `None` never has to be.
            timeout: Longest wait in seconds; 0 looks once.
            interrupt: Ends the wait when it is set.

        Raises:
            TimeoutError: *timeout* has passed; the event stays recorded, and may be processed later.
            WaitInterruptedError: *interrupt* was set.
        """
        deadline = time.monotonic() + timeout
        interrupted = threading.Event() if interrupt is None else interrupt
        pause_s = FIRST_PAUSE_S
        while not self.has_tracking_id(application_name, notification_id):
            remaining_s = deadline - time.monotonic()
            if remaining_s <= 0:
                raise TimeoutError(
                    f"Event {notification_id} of {application_name} was not processed within {timeout:g} s."
                    " Look at the process that projects it, or wait longer."
                )
            if interrupted.wait(min(pause_s, remaining_s)):
                raise WaitInterruptedError(
                    f"Interrupted while waiting for event {notification_id} of {application_name}"
                )
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
