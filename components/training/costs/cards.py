"""What a training would take on cards that are not here: reckoned from its network, never compared with a run.

A card takes over the optimizer steps. Everything else (trees, linear floor, validation, export) is taken to need there
what it was measured to need here.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from components.training.batches import Batch
from components.training.compile_probe import first_batches
from components.training.costs.estimate import FURTHER_TRIAL, CardEstimate, Part, Prices
from components.training.learner import Plan
from components.training.spending import Budget

# What a network of usual layers reaches of a card's dense peak, and what a step costs at least to be launched.
UTILISATION = 0.3
LAUNCH_SECONDS = 0.002
# Bytes a weight: itself, its gradient and AdamW's two moments, all of them fp32 in mixed precision, too.
WEIGHT_BYTES = 16
AVERAGE_BYTES = 4
# About what CUDA and the libraries of PyTorch take on a card before the first tensor: an allowance, not measured here.
CONTEXT_MB = 600.0


def card_estimates(
    plan: Plan, prices: Prices, parts: Sequence[Part], budget_at: Callable[[float], Budget]
) -> tuple[CardEstimate, ...]:
    """Return the reckoning for each card, within the caps; ``budget_at`` gives them at a price an hour.

    A step takes its operations at a share of the card's peak, or its launches, whichever is more.
    """
    flops, memory_mb = step_flops(plan), card_memory_mb(plan)
    stays = sum((part.taking(part.most) - part.steps * part.most).wall for part in parts)
    trials = 1 + sum(part.most for part in parts if part.unit == FURTHER_TRIAL)
    found = []
    for card in prices.cards:
        step = max(flops / (card.dense_tflops * 1e12 * UTILISATION), LAUNCH_SECONDS)
        steps = plan.steps * trials * step
        seconds = min(steps + stays, budget_at(card.usd_per_hour).seconds)
        found.append(
            CardEstimate(
                name=card.name,
                seconds=round(seconds, 3),
                steps_seconds=round(steps, 3),
                usd=round(seconds / 3600 * card.usd_per_hour, 6),
                memory_mb=round(memory_mb, 1),
                fits=memory_mb < card.memory_gb * 1000,
            )
        )
    return tuple(found)


def step_flops(plan: Plan) -> int:
    """Return the floating-point operations of one step, forward and backward."""
    network = plan.network()
    (batch,) = first_batches(plan, 1)
    with FlopCounterMode(display=False) as counter:
        plan.task.loss(network, batch).backward()  # type: ignore[no-untyped-call]
    return int(counter.get_total_flops())


def card_memory_mb(plan: Plan) -> float:
    """Return about what a training needs on a card: weights and what AdamW keeps, the rows of a call, CUDA itself.

    Of the declared batch it is what the forward pass saves for the backward one; of a validation batch the same, as if
    nothing of it were freed on the way, which is an upper bound. Workspaces of kernels are not in it.
    """
    network = plan.network()
    weights = sum(parameter.numel() for parameter in network.parameters())
    (batch,) = first_batches(plan, 1)
    rows, step = len(batch[0]), _saved_bytes(plan, network, batch) + _bytes(batch)
    # Validation holds no gradients' graph, but more rows.
    held = step * max(1.0, min(plan.validation.batch_size, plan.validation.rows) / rows)
    each = WEIGHT_BYTES + (AVERAGE_BYTES if plan.options.ema is not None else 0)
    return (weights * each + held) / 1e6 + CONTEXT_MB


def _saved_bytes(plan: Plan, network: torch.nn.Module, batch: Batch) -> int:
    """Return the bytes that the forward pass of a step keeps for the backward one, weights and batch left out."""
    known = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *batch)}
    # The tensors themselves, so that no storage is freed and counted again under the same address.
    saved: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            saved[storage.data_ptr()] = tensor
        return tensor

    # Cards of the list compute in 16 bits unless told otherwise; of which kind makes no difference to what is held.
    mixed = plan.options.precision != "fp32"
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed), saved_tensors_hooks(keep, lambda tensor: tensor):
        plan.task.loss(network, batch)
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def _bytes(batch: Batch) -> int:
    return sum(tensor.nbytes for tensor in batch)
