"""Small manifests for tests."""

from __future__ import annotations

from typing import Any

from k8s.objects import Kind

CONFIG_MAP = Kind("v1", "ConfigMap")
DEPLOYMENT = Kind("apps/v1", "Deployment")
JOB = Kind("batch/v1", "Job")
MIDDLEWARE = Kind("traefik.io/v1alpha1", "Middleware")
POD = Kind("v1", "Pod")
STATEFUL_SET = Kind("apps/v1", "StatefulSet")
VOLUME_CLAIM = Kind("v1", "PersistentVolumeClaim")


def manifest(kind: Kind, name: str, **parts: Any) -> dict[str, Any]:
    """Return a manifest of *kind* with *parts* beside its metadata; labels and the like come in as `metadata`."""
    metadata = {"name": name, **parts.pop("metadata", {})}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **parts}


def pod_template(name: str, **annotations: str) -> dict[str, Any]:
    """Return a template of pods with the label `app`."""
    # An empty map that is applied is dropped, and is a conflict with whoever applies it next.
    metadata = {"labels": {"app": name}, **({"annotations": annotations} if annotations else {})}
    return {"metadata": metadata, "spec": {"containers": [{"name": "main", "image": "example/image:1"}]}}


def deployment(name: str, replicas: int = 1, **annotations: str) -> dict[str, Any]:
    """Return a Deployment; *annotations* are those of its pods."""
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": replicas, "selector": selector, "template": pod_template(name, **annotations)}
    return manifest(DEPLOYMENT, name, spec=spec)


def stateful_set(name: str, replicas: int = 1) -> dict[str, Any]:
    """Return a StatefulSet with a volume for each pod."""
    selector = {"matchLabels": {"app": name}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    template = pod_template(name)
    template["spec"]["containers"][0]["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
    spec = {
        "serviceName": name,
        "replicas": replicas,
        "selector": selector,
        "template": template,
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    return manifest(STATEFUL_SET, name, spec=spec)


def job(name: str, **annotations: str) -> dict[str, Any]:
    """Return a Job that runs one pod, once; *annotations* are the pod's."""
    template = pod_template(name, **annotations)
    template["spec"]["restartPolicy"] = "Never"
    return manifest(JOB, name, spec={"backoffLimit": 0, "template": template})
