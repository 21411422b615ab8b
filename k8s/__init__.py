"""Desired cluster state from the registry's rows, compared and applied.

Templates, the pure function from rows to manifests, the reconciler, the one caller of the API and the Helm chart belong
here, and nothing that is not Kubernetes. Without Kubernetes nothing of it is needed: `quick up` serves everything from
one machine.
"""
