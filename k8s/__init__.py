"""Desired cluster state from the registry's rows, compared and applied.

Templates, the pure function from rows to manifests, the reconciler and the one caller of the API belong here, and
nothing that is not Kubernetes. The room is empty until gateways and mirrors can run as pods of their own: today
`quick up` serves all of them from one machine.
"""
