"""How the threads of PyTorch and XGBoost wait for each other. Imports neither: it must come before them."""

import os


def let_waiting_threads_sleep() -> None:
    """Make OpenMP threads sleep while they wait, unless the environment says otherwise; for libraries loaded later.

    By default they spin, which steals the core that the other thread needs where anything else runs: a step of a small
    network with two threads on two busy cores took 48 ms spinning and 5 ms sleeping.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
