"""What a flow imports when it comes to it, as steps for whoever has time before: it waits for its Prefect server.

Nothing here is needed for a flow to work, and what is not imported ahead is imported later.
"""

import importlib
from collections.abc import Callable, Iterator
from functools import partial

from components.catalog import find_kind
from components.declaration.workload import Workload
from components.registry.client import import_mlflow
from components.run_ledger import runs_of
from components.settings import Home, Settings

# Flows by their modules.
BUILDING = ("build_model", "end_to_end")
ASKING_THE_REGISTRY = (*BUILDING, "promote_build")


def late_imports(flow: str, workload: Workload | None, home: Home) -> Iterator[Callable[[], object]]:
    """Yield what imports the modules that a flow of a workload will need, in the order in which it needs them."""
    if workload is not None and flow in BUILDING and not _was_trained(workload, home):
        for module in find_kind(workload.kind).training_modules:
            yield partial(importlib.import_module, module)
    if flow in ASKING_THE_REGISTRY:
        yield partial(import_mlflow, Settings())


def _was_trained(workload: Workload, home: Home) -> bool:
    """Return whether a model of this name was trained before: then its training is likely to come from the cache."""
    stages = (stage for run in runs_of(home, workload.name) for stage in run.stages)
    return any(stage.stage == "train" and stage.state in ("ran", "cached") for stage in stages)
