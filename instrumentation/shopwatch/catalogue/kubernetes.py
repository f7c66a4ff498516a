"""What Kubernetes says of where a service runs: resource attributes, and the labels of its pod."""

from __future__ import annotations

from typing import Final

KUBERNETES_ATTRIBUTES: Final = (
    "k8s.cluster.name",
    "k8s.namespace.name",
    "k8s.node.name",
    "k8s.pod.name",
    "k8s.pod.uid",
    "k8s.container.name",
    "k8s.deployment.name",
)
"""Semantic conventions, Kubernetes; each may stand in the variable of its name: ``K8S_POD_NAME``."""
VERSION_LABEL: Final = "app.kubernetes.io/version"
"""Kubernetes, common labels: the version of the application."""
TRACK_LABEL: Final = "track"
"""The label that deployments of stable and canary differ by, by habit."""
