import pytest

from components.artefacts.errors import HostError
from components.training.hardware import Machine, choose_hardware, probe_machine, safer_precision

PLAIN = Machine(processor="x86_64", cores=8, memory_gb=16)
AMX = PLAIN.model_copy(update={"features": ("avx512_bf16", "amx_bf16")})


def gpu(name: str, capability: tuple[int, int]) -> Machine:
    return PLAIN.model_copy(
        update={"gpu": name, "gpu_count": 1, "gpu_capability": capability, "gpu_memory_gb": 80.0},
    )


@pytest.mark.parametrize(
    ("machine", "device", "precision", "because"),
    [
        (PLAIN, "cpu", "32-true", "neither amx_bf16 nor avx512_bf16"),
        (AMX, "cpu", "bf16-mixed", "the CPU has amx_bf16 and avx512_bf16"),
        (gpu("H100", (9, 0)), "cuda", "bf16-mixed", "bfloat16 tensor cores"),
        (gpu("A100", (8, 0)), "cuda", "bf16-mixed", "bfloat16 tensor cores"),
        (gpu("T4", (7, 5)), "cuda", "16-mixed", "has no bfloat16"),
        (gpu("P100", (6, 0)), "cuda", "32-true", "no tensor cores"),
        (PLAIN.model_copy(update={"metal": True}), "mps", "32-true", "Apple"),
    ],
)
def test_precision_follows_from_what_the_hardware_has(
    machine: Machine, device: str, precision: str, because: str
) -> None:
    choice = choose_hardware(machine)
    assert (choice.device, choice.precision) == (device, precision)
    assert because in choice.reason


def test_a_precision_from_the_workload_file_wins_and_the_reason_says_what_auto_would_be() -> None:
    choice = choose_hardware(AMX, precision="fp32")
    assert choice.precision == "32-true"
    assert "fp32 as the workload file says (auto would be bf16-mixed" in choice.reason


def test_fp16_without_a_gpu_is_refused() -> None:
    with pytest.raises(HostError, match="fp16 needs a GPU"):
        choose_hardware(AMX, precision="fp16")


def test_threads_are_never_more_than_cores() -> None:
    assert choose_hardware(PLAIN, threads=64).threads == 8
    assert choose_hardware(PLAIN, threads=3).threads == 3


def test_after_a_loss_that_is_not_finite_the_precision_gets_safer_until_fp32() -> None:
    assert safer_precision("16-mixed", gpu("A100", (8, 0)), "cuda") == "bf16-mixed"
    assert safer_precision("16-mixed", gpu("T4", (7, 5)), "cuda") == "32-true"
    assert safer_precision("bf16-mixed", AMX, "cpu") == "32-true"
    assert safer_precision("32-true", PLAIN, "cpu") is None


def test_this_machine_can_be_described() -> None:
    machine = probe_machine()
    assert machine.cores >= 1
    assert choose_hardware(machine).threads == machine.cores
