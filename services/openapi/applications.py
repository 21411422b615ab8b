"""`/manager/application…`: applications, as the manager knows them."""

from __future__ import annotations

from typing import Final

from services.manager.applications import ApplicationBody, NewApplicationBody
from services.openapi.parts import (
    AT_MOMENT,
    COMMAND,
    POSITION,
    Json,
    body_of,
    operation,
    path_parameter,
    refusals,
    success,
)

TAG: Final = "applications"

PATHS: Final[Json] = {
    "/manager/applications": {
        "get": operation(
            "listApplications",
            "All applications by name.",
            TAG,
            {**success("The applications.", list[ApplicationBody]), **refusals(400)},
            parameters=AT_MOMENT,
        ),
    },
    "/manager/application": {
        "post": operation(
            "deployApplication",
            "Deploy an application; answered when the registry shows it, before it runs.",
            TAG,
            {**success("It is declared.", headers=POSITION), **refusals(400, 413, 504)},
            parameters=COMMAND,
            body=body_of(NewApplicationBody),
        ),
    },
    "/manager/application/{name}": {
        "parameters": [path_parameter("name", "Name of the application.")],
        "get": operation(
            "getApplication",
            "One application, with who deployed it.",
            TAG,
            {**success("The application.", ApplicationBody), **refusals(400, 404)},
            parameters=AT_MOMENT,
        ),
        "delete": operation(
            "deleteApplication",
            "Delete an application; one that does not exist is deleted already. What it has written stays.",
            TAG,
            {**success("It is gone.", headers=POSITION), **refusals(400, 404, 504)},
            parameters=COMMAND,
        ),
    },
}
