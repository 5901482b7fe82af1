import os
import subprocess
import sys

import pytest

from components.training.processor_threads import let_waiting_threads_sleep
from tests.conftest import REPOSITORY


def test_a_wait_policy_from_the_environment_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    let_waiting_threads_sleep()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


def test_finding_a_kind_loads_neither_pytorch_nor_xgboost_so_that_training_can_still_say_how_threads_wait() -> None:
    code = "import sys; from components.catalog import find_kind; find_kind('tabular');"
    code += "print(*sorted({'torch', 'lightning', 'xgboost'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
