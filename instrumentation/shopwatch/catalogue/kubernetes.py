"""Resource attributes of where a service runs, and the labels of its pod that say what runs there."""

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
"""Semantic conventions, Kubernetes; read from the variable of the same name: ``K8S_POD_NAME``."""

# https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/ names the first; the
# other two are what deployments of several tracks and environments use by habit.
LABEL_VERSION: Final = "app.kubernetes.io/version"
LABEL_TRACK: Final = "track"
LABEL_ENVIRONMENT: Final = "environment"
