"""Jobs that remove what a mirror or an application leaves behind when it is given up."""

from __future__ import annotations

from typing import Any, Final

from core.errors import ConflictError
from k8s.names import job_name
from k8s.rendering import Manifest, manifest
from k8s.thing_objects import COMPONENT, INCARNATION, INSTANCE, NAME

_FLAGS: Final = {
    "mirror": ["--clean-up"],
    "streamsApp": ["--clean-up=true", "--delete-output=false"],
}
"""What the program is told beside its arguments, by component; any streams-bootstrap app takes the second."""


def clean_up_job(workload: Manifest, *, position: int) -> Manifest:
    """Return the Job that removes what *workload* leaves behind. To be applied when its replicas are gone.

    It runs the same image with the same arguments, and gets what that needs in the same way: the Secret that the image
    is pulled with, other Secrets by reference, resources, rights. Nothing of the replicas' volumes is kept.

    Args:
        workload: The StatefulSet of a mirror or the Deployment of an application, as it was made or as it is there.
        position: Of the command that gave it up.

    Raises:
        ConflictError: It is not as it was made, and lacks what the Job needs.
    """
    try:
        return manifest("clean-up-job", _values(workload, position))
    except (LookupError, ValueError, TypeError) as error:
        metadata = workload.get("metadata") or {}
        raise ConflictError(
            f"The clean-up of {workload.get('kind')} {metadata.get('name')} in namespace {metadata.get('namespace')}"
            f" cannot be made, since somebody has changed it ({type(error).__name__}: {error}). Let Quick apply it"
            " again, or delete it and run its image with the flags for the clean-up by hand."
        ) from error


def _values(workload: Manifest, position: int) -> dict[str, object]:
    metadata, pod = workload["metadata"], workload["spec"]["template"]["spec"]
    labels, annotations = metadata["labels"], metadata["annotations"]
    container = _container(pod["containers"], metadata["name"])
    return {
        "name": job_name(metadata["name"], int(annotations[INCARNATION])),
        "namespace": metadata["namespace"],
        "instance": labels[INSTANCE],
        "thing": annotations[NAME],
        "position": str(position),
        "incarnation": annotations[INCARNATION],
        "pull_secrets": pod.get("imagePullSecrets", []),
        "pod_security": pod.get("securityContext", {}),
        "container": {"envFrom": [], "env": [], "resources": {}, "securityContext": {}, **container},
        "args": [*container.get("args", []), *_FLAGS[labels[COMPONENT]]],
        "mounts": container.get("volumeMounts", []),
    }


def _container(containers: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """Return our container: others may have put one beside it."""
    return {container["name"]: container for container in containers}[name]
