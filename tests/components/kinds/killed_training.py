"""A training that is killed at its first write, then at its second, and so on: ``python -m ... PREPARED FOLDER``."""

import os
import pickle
import signal
import sys
from pathlib import Path

from components.catalog import find_kind
from components.settings import Settings
from tests.components.training.killed_fits import KilledInCall
from tests.components.training.small_training import parcels_spec, parcels_workload


def main(prepared: Path, folder: Path) -> None:
    """Kill it until it is done, and write how often that was; each run starts where the one before it was."""
    kills = 0
    # Here and not in each fork: importing takes longer than training.
    import components.kinds.tabular.candidates  # noqa: F401

    while True:
        process = os.fork()
        if process == 0:
            os.fsync = KilledInCall(os.fsync, kills + 1)
            found = pickle.loads(prepared.read_bytes())
            workload = parcels_workload(linear=True, checkpoint_minutes=1e-9)
            train = find_kind("tabular").train
            train(found, workload, parcels_spec(), folder, Settings(threads=1), lambda *_: None)
            os._exit(0)
        _, status = os.waitpid(process, 0)
        if not os.WIFSIGNALED(status):
            assert status == 0
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        kills += 1
        assert kills < 100, "it gets nowhere"
    sys.stdout.write(f"{kills}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
