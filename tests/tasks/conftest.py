"""The stages of the sample workload, each called once as the plain function it is: no Prefect anywhere."""

from typing import Any

import pytest

from components.settings import Home
from tests.tasks.staging import Staged, stage_all


@pytest.fixture(scope="session")
def staged(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Staged:
    """A build of the sample workload, made stage by stage."""
    return stage_all(document, Home(tmp_path_factory.mktemp("staged")))
