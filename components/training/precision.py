"""Lightning's precision plugins without its hooks around every backward pass and step.

Lightning offers each callback three hooks a step, and nobody here has any; asking them all costs about 0.1 ms, a
thirtieth of a small network's step. The one that is used, the learner's clipping, is called directly.
"""

from collections.abc import Callable
from typing import Any

import lightning
from lightning.fabric.utilities.types import Steppable
from lightning.pytorch.plugins.precision import MixedPrecision, Precision
from torch import Tensor

from components.training.results import HardwareChoice


class FullPrecision(Precision):
    """All arithmetic in fp32."""

    # Lightning's own plugins override Fabric's in the same way, and say so to mypy in the same way.
    def pre_backward(self, tensor: Tensor, module: lightning.LightningModule) -> Tensor:  # type: ignore[override]
        return tensor

    def post_backward(self, tensor: Tensor, module: lightning.LightningModule) -> Tensor:  # type: ignore[override]
        return tensor.detach()

    def optimizer_step(  # type: ignore[override]
        self, optimizer: Steppable, model: lightning.LightningModule, closure: Callable[[], Any], **kwargs: Any
    ) -> Any:
        closure()
        model.on_before_optimizer_step(optimizer)  # type: ignore[arg-type]
        return optimizer.step(**kwargs)


class Bf16Precision(FullPrecision, MixedPrecision):
    """Matrix products in bf16, which needs no scaling of the loss."""

    def __init__(self, device: str) -> None:
        super().__init__("bf16-mixed", device)


def precision_arguments(hardware: HardwareChoice) -> tuple[list[Precision], dict[str, Any]]:
    """Return the plugins and the other arguments by which a Lightning Trainer is told about precision.

    fp16 is left to Lightning, which scales its loss.
    """
    if hardware.precision == "32-true":
        return [FullPrecision()], {}
    if hardware.precision == "bf16-mixed":
        return [Bf16Precision(hardware.device)], {}
    return [], {"precision": hardware.precision}
