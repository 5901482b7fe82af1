"""A process that is killed in the middle of what it does with a store: ROOT ADDRESS WHAT."""

import os
import signal
import sys
from pathlib import Path
from typing import Any

from components.store import leases
from components.store.bucket import Bucket
from components.store.installation import open_store


def die(*arguments: Any, **named: Any) -> Any:
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    root, address, what = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    store = open_store(root, address, 1)
    # A lease of a holder that dies is waited for as long as it says.
    leases.hold.__wrapped__.__kwdefaults__["seconds"] = 2.0  # type: ignore[attr-defined]
    if what == "commit":
        # The last step: everything before it is done.
        Bucket.put = die  # type: ignore[method-assign]
        Path.rename = die  # type: ignore[method-assign]
        folder = root / "scratch"
        folder.mkdir(parents=True)
        (folder / "rows").write_text("of the killed one")
        (folder / "more").write_text("of the killed one, too")
        store.commit("builds", "one", folder)
    elif what == "fetch":
        Path.rename = die  # type: ignore[method-assign]
        store.local("builds", "one")
    else:
        with store.lease("runs", "one", "the killed one"):
            die()


main()
