"""What the machine has, and what to train with on it: device, precision and threads, each with the reason.

``choose_hardware`` is a pure function of a ``Machine``, so every branch can be tested without the hardware it is for.
"""

from pathlib import Path

import torch

from components.artefacts.errors import HostError
from components.artefacts.machine import memory_bytes, processor_name, usable_cores
from components.result import Result
from components.training.results import Device, HardwareChoice, Precision

PRECISIONS: dict[str, Precision] = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
# Compute capability of NVIDIA Ampere, the first with bfloat16 tensor cores.
AMPERE = (8, 0)


class Machine(Result):
    """A description of the hardware as far as training depends on it."""

    processor: str
    cores: int
    memory_gb: float
    # avx2, avx512_bf16 and amx_bf16, as far as PyTorch can use them.
    features: tuple[str, ...] = ()
    gpu: str | None = None
    gpu_count: int = 0
    gpu_capability: tuple[int, int] | None = None
    gpu_memory_gb: float = 0.0
    metal: bool = False


def probe_machine() -> Machine:
    """Ask PyTorch and the operating system what there is."""
    found = {
        # No public name for these in torch 2.13.
        "avx512_bf16": torch.cpu._is_avx512_bf16_supported(),
        "amx_bf16": torch.cpu._is_amx_tile_supported(),
    }
    description = {
        "processor": processor_name(),
        "cores": usable_cores(),
        "memory_gb": round(memory_bytes() / 1e9, 1),
        "features": tuple(name for name, there in found.items() if there),
        "metal": torch.backends.mps.is_available(),
    }
    if not torch.cuda.is_available():
        return Machine(**description)
    card = torch.cuda.get_device_properties(0)
    return Machine(
        **description,
        gpu=card.name,
        gpu_count=torch.cuda.device_count(),
        gpu_capability=(card.major, card.minor),
        gpu_memory_gb=round(card.total_memory / 1e9, 1),
    )


def forget_other_hardware(folder: Path) -> None:
    """Delete what was chosen in a training's folder by a machine with another device: it cannot be had here."""
    here = choose_hardware(probe_machine()).device
    for path in folder.rglob("hardware*.json"):
        if HardwareChoice.model_validate_json(path.read_bytes()).device != here:
            path.unlink()


def choose_hardware(
    machine: Machine, *, precision: str = "auto", threads: int | None = None, gpu: bool = True
) -> HardwareChoice:
    """Return device, precision and threads with the reason; whether to compile is measured later.

    ``precision`` is auto, fp32, bf16 or fp16. HostError for fp16 without a GPU: no CPU trains in it.
    """
    device: Device = "cpu"
    if gpu and machine.gpu is not None:
        device = "cuda"
    elif gpu and machine.metal:
        device = "mps"
    if precision == "fp16" and device == "cpu":
        raise HostError("precision fp16 needs a GPU, this machine has none: set model.precision to auto, bf16 or fp32")
    chosen, why = _best_precision(machine, device)
    if precision != "auto":
        wanted = PRECISIONS[precision]
        why = f"{precision} as the workload file says" + (
            "" if wanted == chosen else f" (auto would be {chosen}: {why})"
        )
        chosen = wanted
    return HardwareChoice(
        device=device,
        precision=chosen,
        compile=False,
        threads=min(threads or machine.cores, machine.cores),
        reason=f"{_device_reason(machine, device)}; {why}",
    )


def _device_reason(machine: Machine, device: Device) -> str:
    if device == "cuda":
        return f"{machine.gpu_count} x {machine.gpu} ({machine.gpu_memory_gb:g} GB)"
    if device == "mps":
        return "Apple GPU"
    return f"no GPU, {machine.cores} CPU cores"


def _best_precision(machine: Machine, device: Device) -> tuple[Precision, str]:
    if device == "cuda":
        assert machine.gpu_capability is not None, "a GPU has a compute capability"
        major, minor = machine.gpu_capability
        if machine.gpu_capability >= AMPERE:
            return "bf16-mixed", f"bf16-mixed: compute capability {major}.{minor} has bfloat16 tensor cores"
        if machine.gpu_capability >= (7, 0):
            return "16-mixed", f"16-mixed with loss scaling: compute capability {major}.{minor} has no bfloat16"
        return "32-true", f"32-true: compute capability {major}.{minor} has no tensor cores"
    if device == "mps":
        return "32-true", "32-true: mixed precision was never measured on Apple GPUs by this project"
    if fast := [name for name in ("amx_bf16", "avx512_bf16") if name in machine.features]:
        return "bf16-mixed", f"bf16-mixed: the CPU has {' and '.join(fast)}"
    # bf16-mixed was measured 20 times slower than fp32 on a CPU with AVX2 only.
    return "32-true", "32-true: the CPU has neither amx_bf16 nor avx512_bf16, and emulating bfloat16 is slow"


def safer_precision(precision: Precision, machine: Machine, device: Device) -> Precision | None:
    """Return what to fall back to after a loss that is not finite, None after fp32."""
    if precision == "16-mixed" and device == "cuda" and (machine.gpu_capability or (0, 0)) >= AMPERE:
        return "bf16-mixed"
    return None if precision == "32-true" else "32-true"
