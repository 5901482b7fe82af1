"""Builds and servers that the tests of this folder share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deployments.processes import Running, servers
from tests.deployments.small_build import Sample, draw_sample, write_build


@pytest.fixture(scope="session")
def sample() -> Sample:
    return draw_sample()


@pytest.fixture(scope="session")
def build(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build that tests read and never change."""
    return write_build(sample, tmp_path_factory.mktemp("builds") / "first")


@pytest.fixture(scope="session")
def other_build(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second build with other weights."""
    return write_build(sample, tmp_path_factory.mktemp("builds") / "second", seed=2)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start data planes on free ports; all are stopped at the end."""
    with servers(tmp_path) as start:
        yield start


@pytest.fixture(scope="session")
def shared_server(build: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One process for the tests that only ask."""
    with servers(tmp_path_factory.mktemp("shared")) as start:
        yield start("--build", build)
