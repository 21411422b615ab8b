"""For tests of the log that are not about how long something takes."""

from __future__ import annotations

from typing import Final

import pytest

PATIENCE_S: Final = 60.0
"""How long is waited for a broker, or for what follows a log."""


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a log wait longer for its broker than its callers would: what a busy machine takes is not what is tested."""
    monkeypatch.setattr("core.command_log.APPEND_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr("core.command_log.READ_BACK_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr("core.log_follower.READ_BACK_TIMEOUT_S", PATIENCE_S)
