"""The stages of the sample workload, each called once as the plain function it is: no Prefect anywhere."""

from typing import Any

import pytest

from components.declaration import parse_workload
from components.settings import Home, Settings
from tasks.audit import audit
from tasks.compress import compress
from tasks.evaluate import evaluate
from tasks.gate import gate
from tasks.ingest import ingest
from tasks.package import package
from tasks.prepare import prepare
from tasks.register import register
from tasks.rehearse import rehearse
from tasks.train import train
from tasks.validate import validate
from tests.tasks.staging import Staged


@pytest.fixture(scope="session")
def staged(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Staged:
    """A build of the sample workload, made stage by stage."""
    home, settings = Home(tmp_path_factory.mktemp("staged")), Settings()
    workload = parse_workload(document, where="sample.yaml")
    snapshot = ingest.fn(workload, home)
    validated = validate.fn(workload, snapshot, home)
    prepared = prepare.fn(workload, validated, home)
    trained = train.fn(workload, prepared, home, settings)
    trained = compress.fn(workload, trained, prepared, home, settings)
    evaluated = evaluate.fn(workload, trained, prepared, home)
    evaluated = rehearse.fn(workload, trained, prepared, evaluated, settings)
    audited = audit.fn(workload, prepared)
    gates = gate.fn(workload, evaluated, audited, prepared)
    packaged = package.fn(workload, snapshot, validated, prepared, trained, evaluated, gates, home, settings)
    registered = register.fn(workload, packaged, trained, evaluated, gates.passed, home, settings)
    return Staged(
        workload, home, settings, snapshot, validated, prepared, trained, evaluated, gates, packaged, registered
    )
