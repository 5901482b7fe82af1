"""How the threads of PyTorch and XGBoost wait for each other. Imports neither: it must come before them."""

import os

# About a tenth of a millisecond, the gap between two parallel parts of a step.
SPINS = "30000"


def let_waiting_threads_sleep() -> None:
    """Make waiting OpenMP threads soon sleep, unless the environment says otherwise; for libraries loaded later.

    By default they spin, which steals the core that the other thread needs where anything else runs; sleeping at once
    costs as much where nothing does. Two threads on two cores, an epoch of a small network: spinning 0.41 s, sleeping
    at once 0.79 s, spinning shortly 0.43 s; a quarter of it beside three other processes 1.3, 0.7 and 0.7 s.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
        # GNU's runtime, which PyTorch and XGBoost bring on Linux; others sleep at once.
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
