"""What Kubernetes' downward API says of a service."""

from __future__ import annotations

from pathlib import Path

import pytest

from shopwatch import settings


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    file = tmp_path / "labels"
    file.write_text('app="orders"\napp.kubernetes.io/version="1.4.2"\nnote="say \\"hi\\""\ntrack="canary"')
    return file


def test_version_and_track_are_the_pods_labels(labels: Path) -> None:
    read = settings.read({"SHOPWATCH_POD_LABELS": str(labels), "K8S_POD_NAME": "orders-7"})
    assert (read.version, read.track, read.problems) == ("1.4.2", "canary", ())
    assert read.resource["k8s.pod.name"] == "orders-7"


def test_arguments_and_variables_win_over_labels(labels: Path) -> None:
    environ = {
        "SHOPWATCH_POD_LABELS": str(labels),
        "SHOPWATCH_TRACK": "blue",
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=2",
    }
    read = settings.read(environ)
    assert (read.version, read.track) == ("2", "blue")
    assert settings.read(environ, version="3", track="green").track == "green"


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["absent", "no-text"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "labels"
    if content is not None:
        file.write_bytes(content)
    read = settings.read({"SHOPWATCH_POD_LABELS": str(file)})
    (problem,) = read.problems
    assert "SHOPWATCH_POD_LABELS" in problem
    assert read.track == "stable"


def test_a_track_of_the_label_that_is_none_is_named(labels: Path) -> None:
    labels.write_text('track="purple"\n')
    read = settings.read({"SHOPWATCH_POD_LABELS": str(labels)})
    assert read.track == "stable"
    assert "purple" in read.problems[0]
