"""What a process says on its standard error: the last lines are kept for whoever asks why it ended, or passed on."""

import threading
from collections import deque
from typing import IO, TextIO

# Enough for the reason why it ended, and no more while it lives for months.
KEPT_LINES = 100


class Said:
    """Reads what a process says on its standard error as it comes: the last lines are kept, or passed on."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._kept = stream, deque[str](maxlen=KEPT_LINES)
        self._target: TextIO | None = None
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def pass_on(self, target: TextIO | None) -> None:
        """Write what was kept and every later line to ``target`` at once; None: go on keeping."""
        with self._turn:
            self._target = target
            if target is not None:
                self._write("".join(self._kept))

    def last_line(self) -> str:
        """Return the last line of a process that has ended, or what there is of one that has not."""
        self._thread.join(timeout=1)
        with self._turn:
            return next((line.strip() for line in reversed(self._kept) if line.strip()), "nothing")

    def close(self) -> None:
        """Take what is left of a process that has ended."""
        # A process that it left behind may hold the other end.
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._stream.close()

    def _listen(self) -> None:
        for raw in self._stream:
            line = raw.decode(errors="replace")
            with self._turn:
                self._kept.append(line)
                self._write(line)

    def _write(self, text: str) -> None:
        if self._target is None:
            return
        try:
            self._target.write(text)
            self._target.flush()
        except (OSError, ValueError):
            # Nobody reads any more; the process must not wait for that.
            self._target = None
