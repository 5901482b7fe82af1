"""Fully sharded training (FSDP2: ``torch.distributed.fsdp.fully_shard``): each process holds a share of every weight.

Lightning's strategy for it starts the script again for each process; a flow is no script, so here they are spawned.
Zhao et al., "PyTorch FSDP", VLDB 2023.
"""

import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch.strategies import ModelParallelStrategy
from lightning.pytorch.strategies.launchers.multiprocessing import _MultiProcessingLauncher
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor


class _Launcher(_MultiProcessingLauncher):
    """Takes no last weights home: they are shares, and the engine reads whole ones from its checkpoint."""

    def _recover_results_in_main_process(self, worker_output: Any, trainer: Any) -> None:
        if worker_output.weights_path is not None:
            shutil.rmtree(Path(worker_output.weights_path).parent)
        super()._recover_results_in_main_process(worker_output._replace(weights_path=None), trainer)


class SpawnedShards(ModelParallelStrategy):
    """Data parallel over all processes, which are spawned unless torchrun has started them; one whole checkpoint."""

    def __init__(self, processes: int) -> None:
        super().__init__(data_parallel_size=processes, tensor_parallel_size=1, save_distributed_checkpoint=False)

    def _configure_launcher(self) -> None:
        assert self.cluster_environment is not None, "Lightning has chosen one"
        if not self.cluster_environment.creates_processes_externally:
            self._launcher = _Launcher(self, start_method="spawn")


def shard(network: nn.Module, mesh: DeviceMesh) -> None:
    """Share the network's weights among the processes, layer by layer, in place."""
    for layer in network.children():
        if any(True for _ in layer.parameters()):
            fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)


def whole(value: Tensor) -> Tensor:
    """Return a weight that may be shared among processes as a whole; every process must ask at the same time."""
    if isinstance(value, DTensor):
        gathered: Tensor = value.full_tensor()
        return gathered
    return value
