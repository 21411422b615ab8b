"""What a deployment tells anybody about itself: health, figures, this description."""

from __future__ import annotations

from typing import Final

from services.openapi.parts import Json, answer, operation, success

TAG: Final = "instance"


def _status(*values: str) -> Json:
    return {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": list(values)},
            "reason": {"type": "string", "description": "What does not work, and the way out."},
        },
    }


PATHS: Final[Json] = {
    "/health": {
        "get": operation(
            "health",
            "Whether this process can serve, what it cannot do now, and why.",
            TAG,
            {
                **success("It serves; what is degraded is named.", _status("UP", "DEGRADED")),
                "503": answer("It cannot serve.", _status("DOWN")),
            },
            is_open=True,
        ),
    },
    "/metrics": {
        "get": operation(
            "metrics",
            "Figures of this machine in Prometheus' text format.",
            TAG,
            success("The figures.", {"type": "string"}, media="text/plain"),
            is_open=True,
        ),
    },
    "/openapi.json": {
        "get": operation(
            "openapi",
            "This description.",
            TAG,
            {
                **success("The description.", {"type": "object"}, headers={"ETag": {"schema": {"type": "string"}}}),
                "304": {"description": "It is the one that If-None-Match names."},
            },
            is_open=True,
        ),
    },
}
