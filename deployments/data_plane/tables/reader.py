"""Reads tables for the service in a process of its own, which is started with the first and may die of any."""

import os
import signal
import socket
import subprocess
import sys

import msgspec

from components.artefacts.errors import ServingError
from deployments.data_plane.formats.request import MalformedRequest
from deployments.data_plane.options import Options
from deployments.data_plane.protocol import BodyTooLarge
from deployments.data_plane.tables.memory import File, Files
from deployments.data_plane.tables.messages import Answer, Done, Ended, Job, Refused, error_of, receive, send
from deployments.data_plane.tables.table import Table
from deployments.data_plane.telemetry.events import report

DECODER = "deployments.data_plane.tables.decoder"
# Processor time is bounded by the system. This is for a process that is stuck, on a machine that is busy.
PATIENCE_SECONDS = 120.0
# Memory that is asked for is charged to the limit when it is used: no arenas made in advance, no threads.
_VARIABLES = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "ARROW_IO_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class TableReader:
    """Reads tables one at a time; belongs to one thread."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._body, self._files = File("body"), Files("columns")

    def read(self, body: bytes, content_type: str, contract: bytes) -> Table:
        """Return the checked columns of a table.

        Raises InvalidRow, MalformedRequest, TooManyRows or BodyTooLarge; ServingError if there is no process to read.
        """
        self._number += 1
        options = self._options
        job = Job(
            self._number,
            content_type,
            len(body),
            options.table_rows,
            options.table_bytes,
            options.table_seconds,
            msgspec.Raw(contract),
        )
        target = self._files.take()
        self._body.write(body)
        answer = self._ask(job, self._body.number, target.number)
        self._body.shrink()
        if isinstance(answer, Done):
            whole = self._files.handed(target, answer.size)
            return Table(answer, whole)
        self._files.give_back(target)
        if isinstance(answer, Refused):
            raise error_of(answer)
        raise self._death(answer.status, len(body))

    def close(self) -> None:
        """End the process; the next table starts another."""
        link, process = self._link, self._process
        self._link = self._process = None
        # Whoever reads until it is dead reads what nobody else uses.
        self._body = File("body")
        if link is not None:
            link.close()
        if process is not None:
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                # Its reader ends with it.
                process.kill()
                process.wait()

    def _ask(self, job: Job, source: int, target: int) -> Answer:
        link = self._started()
        try:
            send(link, job, (source, target))
            while True:
                message, _ = receive(link)
                answer: Answer = msgspec.json.decode(message, type=Done | Refused | Ended)
                # An answer to an earlier question, whose reader was thought dead, is nobody's.
                if isinstance(answer, Ended) or answer.number == job.number:
                    return answer
        except (EOFError, OSError) as error:
            self.close()
            raise ServingError(f"the process that reads tables does not answer: {error or 'it has ended'}") from None

    def _started(self) -> socket.socket:
        if self._link is not None:
            return self._link
        ours, theirs = socket.socketpair()
        with theirs:
            # -P: the folder that the service was started in is not where its modules are.
            command = [sys.executable, "-P", "-m", DECODER, str(theirs.fileno())]
            variables = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **_VARIABLES}
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=os.environ | variables,
            )
        ours.settimeout(PATIENCE_SECONDS)
        self._link = ours
        return ours

    def _death(self, status: int, size: int) -> Exception:
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        name = signal.Signals(number).name if number else f"exit code {os.waitstatus_to_exitcode(status)}"
        report("a table ended the process that read it", by=name, body_bytes=size)
        if number == signal.SIGXCPU:
            return BodyTooLarge(f"reading the table takes more than {self._options.table_seconds} s of processor time")
        return MalformedRequest(f"the table cannot be read: the process that tried ended with {name}")
