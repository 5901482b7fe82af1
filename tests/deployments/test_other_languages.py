"""The graph of a build runs where there is no Python, and answers as evaluated."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from components.artefacts.build import open_build

PROGRAM = Path(__file__).parents[2] / "deployments" / "clients" / "run_graph.mjs"
RUNTIME = "onnxruntime-node@1.30.0"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program beside the package it needs; skipped where the package cannot be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node.js here: node or npm is not on the path")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text("{}")
    # The package has the processor's library in it; its scripts would fetch another one for graphics cards.
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", RUNTIME]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip(f"{RUNTIME} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
    return Path(shutil.copy(PROGRAM, folder))


def run(program: Path, build: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(["node", program, build], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.slow
def test_javascript_answers_the_golden_rows(program: Path, build: Path, tmp_path: Path) -> None:
    done = run(program, build)
    assert done.returncode == 0, done.stderr
    assert f"build {open_build(build).build_id}: 20 golden rows answered" in done.stdout
    wrong = tmp_path / "wrong"
    shutil.copytree(build, wrong)
    golden = json.loads((wrong / "golden.json").read_text())
    golden["answers"][7][0] += 0.01
    (wrong / "golden.json").write_text(json.dumps(golden))
    done = run(program, wrong)
    assert (done.returncode, "is off by 0.0" in done.stderr) == (1, True)
