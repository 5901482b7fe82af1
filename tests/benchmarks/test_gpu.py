"""The card's benchmark runs with torch and lightning alone; on a processor here, for want of a card."""

import json
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pydantic", "msgspec", "psutil", "polars"):
            raise ModuleNotFoundError(f"No module named '{name}'")

sys.meta_path.insert(0, Missing())
from benchmarks.training.gpu import main
main()
"""


@pytest.mark.slow
def test_the_benchmark_of_a_card_needs_only_torch_and_lightning() -> None:
    sizes = ["--device", "cpu", "--rows", "1024", "--batch", "256", "--epochs", "2", "--width", "32"]
    command = [sys.executable, "-W", "ignore", "-c", WITHOUT, *sizes]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| fp32 eager | Slipway | not run: No module named" in done.stdout
    arms = json.loads(done.stdout.splitlines()[-1])["arms"]
    assert [arm["arm"] for arm in arms] == ["fp32 eager", "fp32 with TF32", "bf16-mixed", "bf16-mixed, compiled"]
    assert all(arm["samples_per_s"] > 0 for arm in arms)
