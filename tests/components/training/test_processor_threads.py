import os
import subprocess
import sys

import pytest

from components.training.processor_threads import SPINS, let_waiting_threads_sleep
from tests.conftest import REPOSITORY


def test_a_wait_policy_from_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    let_waiting_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
    assert "GOMP_SPINCOUNT" not in os.environ


def test_threads_of_a_library_that_is_loaded_later_spin_shortly_and_then_sleep() -> None:
    code = "from components.training.processor_threads import let_waiting_threads_sleep; let_waiting_threads_sleep();"
    code += "import xgboost; import torch"
    environment = {
        name: value for name, value in os.environ.items() if name not in {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=REPOSITORY,
        env=environment | {"OMP_DISPLAY_ENV": "VERBOSE"},
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("the OpenMP runtime here is not GNU's")
    counts = [line.split("'")[1] for line in done.stderr.splitlines() if "GOMP_SPINCOUNT" in line]
    assert set(counts) == {SPINS}


def test_finding_a_kind_loads_neither_pytorch_nor_xgboost_so_that_training_can_still_say_how_threads_wait() -> None:
    code = "import sys; from components.catalog import find_kind; find_kind('tabular');"
    code += "print(*sorted({'torch', 'lightning', 'xgboost'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
