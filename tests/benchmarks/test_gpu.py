"""The card's benchmark runs with torch and lightning alone; on a processor here, for want of a card."""

import json
import subprocess
import sys

import pytest
import torch

from benchmarks.training.gpu import main, peak_of
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


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA L4", 121.0),
        ("NVIDIA L40S", None),
        ("NVIDIA A100-SXM4-40GB", 312.0),
        ("NVIDIA H100 80GB HBM3", 989.0),
        ("NVIDIA H100 PCIe", 756.0),
        ("the processor, no card", None),
    ],
)
def test_a_cards_peak_is_found_by_whole_words_of_its_name(name: str, peak: float | None) -> None:
    assert peak_of(name) == peak


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["--rows", "0"], "argument --rows: 0: must be above 0", 2),
        (["--batch", "-1"], "argument --batch: -1: must be above 0", 2),
        (["--width", "many"], "argument --width: invalid", 2),
        (["--peak", "0"], "argument --peak: 0: must be above 0", 2),
        (["--device", "cpu", "--epochs", "1"], "--epochs 1: at least 2", 2),
        ([], "no CUDA device here: run this where there is a card", 8),
    ],
)
def test_what_cannot_be_run_is_told_before_anything_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str, code: int
) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", *arguments])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert said in capsys.readouterr().err


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
