"""What lies in the working directory is found, and never taken for a part of Slipway."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from components.provenance import ROOT

ASKED = """
import importlib, importlib.util, json, sys
from pathlib import Path
from components.user_modules import find_user_modules
for _ in range(2):
    find_user_modules(Path.cwd())
from components.builds.serving_sources import source_files
from components.declaration.loading import contract_of, known_workloads, read_workload
print(json.dumps({
    "tasks": importlib.util.find_spec("tasks").origin,
    "contract": contract_of(read_workload("mine")).name,
    "source": importlib.import_module("beside").__file__,
    "workloads": sorted(known_workloads()),
    "plane": str(source_files("tabular")["deployments/bento_service.py"]),
    "times": sys.path.count(str(Path.cwd())),
}))
"""
CONTRACT = """
from data_contracts.contract import Contract, column

class Mine(Contract):
    '''A row.'''
    number: float = column("number")
    late: bool = column("label", roles=("label",), available="after")
"""
WORKLOAD = """
goal: {statement: "AUC at least 0.6, 50 ms, 0.1 USD, 0.01 USD.", metric: auc, direction: at_least, threshold: 0.6,
  latency_p95_ms: 50, training_usd: 0.1, serving_usd_per_1000: 0.01}
name: mine
kind: tabular
contract: data_contracts.mine:Mine
source: {path: rows.csv}
split: {by: random}
features: [{transform: standardise, fields: [number]}]
"""


FROM_ELSEWHERE = """
import sys
from components.user_modules import find_user_modules
from pathlib import Path
find_user_modules(Path.cwd())
from flows.opening import checked_workload
from components.declaration.loading import contract_of
declared = checked_workload(sys.argv[1])
print(contract_of(declared).name, sys.modules[declared.contract.partition(":")[0]].__file__)
import tasks
print(tasks.__file__)
"""


@pytest.mark.parametrize("module", ["parcels", "data_contracts.parcels"])
def test_a_contract_beside_the_workload_file_is_found_from_another_folder_after_what_lies_there(
    tmp_path: Path, module: str
) -> None:
    far, here = tmp_path / "far", tmp_path / "here"
    contract = Path(*module.split(".")).with_suffix(".py")
    for folder in (far, here):
        (folder / contract).parent.mkdir(parents=True)
        (folder / "tasks").mkdir()
        (folder / "tasks" / "__init__.py").touch()
    (far / contract).write_text(CONTRACT)
    (far / "mine.yaml").write_text(WORKLOAD.replace("data_contracts.mine", module))

    def asked() -> list[str]:
        command = [sys.executable, "-I", "-c", FROM_ELSEWHERE, "../far/mine.yaml"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=here, check=False)
        assert not done.returncode, done.stderr
        return done.stdout.split()

    assert asked() == ["Mine", str(far / contract), str(ROOT / "tasks" / "__init__.py")]
    (here / contract).write_text(CONTRACT)
    assert asked()[1] == str(here / contract)


def test_contracts_and_workloads_beside_are_found_and_our_packages_stay_ours(tmp_path: Path) -> None:
    for folder in ("tasks", "components", "deployments", "data_contracts"):
        (tmp_path / folder).mkdir()
    for package in ("tasks", "components"):
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "data_contracts" / "mine.py").write_text(CONTRACT)
    (tmp_path / "deployments" / "mine.yaml").write_text(WORKLOAD)
    (tmp_path / "beside.py").touch()
    # Isolated, as the command is: what a plain ``python -c`` puts first is the working directory.
    command = [sys.executable, "-I", "-c", ASKED]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert not done.returncode, done.stderr
    found = json.loads(done.stdout)
    assert found["tasks"] == str(ROOT / "tasks" / "__init__.py")
    assert found["contract"] == "Mine"
    assert found["source"] == str(tmp_path / "beside.py")
    assert {"mine", "flights"} <= set(found["workloads"])
    assert found["plane"] == str(ROOT / "deployments" / "bento_service.py")
    assert found["times"] == 1
