"""What is imported while a flow's Prefect server starts, and only where the flow will need it."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.catalog import find_kind, known_kinds
from components.declaration.workload import Workload
from components.run_ledger import recorded_run
from components.settings import Home
from flows.late_imports import late_imports
from tests.flows.test_start import LATER


def steps(flow: str, workload: Workload | None, home: Home) -> int:
    return len(list(late_imports(flow, workload, home)))


def test_a_build_imports_what_training_needs_unless_it_was_trained_before(workload: Workload, tmp_path: Path) -> None:
    home = Home(tmp_path)
    training = len(find_kind(workload.kind).training_modules)
    assert training > 0
    assert steps("build_model", workload, home) == steps("end_to_end", workload, home) == training + 1
    with recorded_run(home, f"{workload.name}_more", "build-model") as ledger:
        ledger.stage("train").state = "ran"
    assert steps("build_model", workload, home) == training + 1
    with recorded_run(home, workload.name, "build-model") as ledger:
        ledger.stage("train").state = "ran"
    assert steps("build_model", workload, home) == steps("promote_build", workload, home) == 1
    assert steps("monitor_drift", workload, home) == steps("reproduce_build", None, home) == 0


@pytest.mark.parametrize("kind", known_kinds())
def test_a_kind_names_what_its_training_imports(kind: str) -> None:
    modules = find_kind(kind).training_modules
    code = f"""
import importlib, sys
for name in {modules!r}:
    importlib.import_module(name)
print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "lightning"} <= set(done.stdout.split()) & set(LATER)
