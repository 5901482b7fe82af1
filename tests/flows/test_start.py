"""What a command loads before its first line and before its first stage: nothing that a later stage alone needs."""

import json
import subprocess
import sys

LATER = [
    "torch", "lightning", "sklearn", "pandas", "scipy.stats", "mlflow", "evidently", "great_expectations", "xgboost",
    "onnxruntime", "bentoml", "cyclonedx", "model_signing", "optuna", "matplotlib", "prefect.server.api.server",
]  # fmt: skip


def loaded(*modules: str) -> list[set[str]]:
    """Return the names of all modules that are loaded after each of these was imported, in a fresh interpreter."""
    code = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
    print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code, *modules], capture_output=True, text=True, check=True)
    return [set(json.loads(line)) for line in done.stdout.splitlines()]


def test_a_flow_begins_without_what_a_later_stage_needs() -> None:
    flows = ["flows.build_model", "flows.end_to_end", "flows.score_batch", "flows.estimate_training"]
    found = dict(zip(flows, loaded(*flows), strict=True))
    assert {name: modules & set(LATER) for name, modules in found.items()} == {name: set() for name in flows}


def test_signals_are_taken_before_anything_that_takes_its_time_is_loaded() -> None:
    (found,) = loaded("flows.entry")
    assert found & {*LATER, "prefect", "polars", "typer", "rich", "pydantic", "components.artefacts.errors"} == set()


def test_the_command_line_says_its_first_line_without_prefect_or_polars() -> None:
    (found,) = loaded("flows.command_line")
    assert found & {*LATER, "prefect", "polars", "pyarrow", "scipy", "numpy"} == set()


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
