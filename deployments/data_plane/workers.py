"""How many worker processes answer, and what each has of the limits that are declared for the whole service."""

import math

import msgspec

from components.artefacts.machine import processor_quota, usable_cores
from deployments.data_plane.options import Options


def choose_workers(asked: int | None) -> tuple[int, str]:
    """Return how many worker processes to run, and why: as asked, else one a core that may be used.

    A worker is one process that computes on one thread; more of them than cores take turns and answer no more.
    """
    if asked is not None:
        return asked, "asked for"
    cores, quota = usable_cores(), processor_quota()
    if quota is not None and quota < cores:
        return max(1, math.ceil(quota)), f"the control group grants {quota:g} of {cores} cores"
    return cores, f"{cores} usable core{'s' if cores > 1 else ''}"


def share_limits(options: Options, workers: int) -> Options:
    """Return what one of several workers is told: bounds of memory are divided, so that they hold for all together.

    A client's rate is not divided: the workers count together (``limits``).
    """
    if workers == 1:
        return msgspec.structs.replace(options, workers=1)
    shared = {
        name: math.ceil(getattr(options, name) / workers)
        for name in ("queue_requests", "queue_rows", "queue_tables", "log_rows")
    }
    return msgspec.structs.replace(options, workers=workers, **shared)
