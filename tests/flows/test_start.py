"""What a command loads before its first line and before its first stage: nothing that a later stage alone needs."""

import json
import subprocess
import sys

import pytest

LATER = [
    "torch", "lightning", "sklearn", "pandas", "scipy.stats", "mlflow", "evidently", "great_expectations", "xgboost",
    "onnxruntime", "bentoml", "cyclonedx", "model_signing", "optuna", "matplotlib", "prefect.server.api.server",
]  # fmt: skip


def loaded(module: str) -> set[str]:
    """Return the names of all modules that importing this one loads, in a fresh interpreter."""
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("flow", ["build_model", "end_to_end", "score_batch", "estimate_training"])
def test_a_flow_begins_without_what_a_later_stage_needs(flow: str) -> None:
    assert loaded(f"flows.{flow}") & set(LATER) == set()


def test_signals_are_taken_before_anything_that_takes_its_time_is_loaded() -> None:
    assert (
        loaded("flows.entry")
        & {*LATER, "prefect", "polars", "typer", "rich", "pydantic", "components.artefacts.errors"}
        == set()
    )


def test_the_command_line_says_its_first_line_without_prefect_or_polars() -> None:
    assert loaded("flows.command_line") & {*LATER, "prefect", "polars", "pyarrow", "scipy", "numpy"} == set()


def test_an_interpreter_that_ends_looks_for_no_garbage() -> None:
    code = """
import atexit, gc, sys
atexit.register(lambda: print("kept", gc.get_freeze_count() > 0))
sys.argv = ["slipway", "--help"]
from flows.entry import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "kept True"
