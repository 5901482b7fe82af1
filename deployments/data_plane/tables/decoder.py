"""The process that reads tables: ``python -P -m deployments.data_plane.tables.decoder SOCKET``; started by ``reader``.

What comes from outside is unpacked here and nowhere else. The first process holds the libraries and only ever forks;
the second reads, with bounds on its memory and processor time, and may die of what it reads: the next one is there in
milliseconds. Both end with the service that started them.
"""

import math
import os
import resource
import signal
import socket
import sys
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa

from components.artefacts.lifetime import end_with_parent
from data_contracts.description.spec import ContractSpec, read_contract
from deployments.data_plane.tables.memory import KEPT_BYTES, mapped, write
from deployments.data_plane.tables.messages import Column, Done, Ended, Job, Refused, receive, refused, send
from deployments.data_plane.tables.reading import read_columns
from deployments.data_plane.tables.table_type import Checked, Distinct, Vectors

# Whoever has read more than is kept ends thus, and the next one begins anew.
ANEW = 3
WORK_BYTES = 64_000_000
_ALIGNMENT = 64


def main() -> int:
    """Fork readers until the service has gone; return the exit code."""
    link = socket.socket(fileno=int(sys.argv[1]))
    # What is sent to the whole group (Ctrl-C, a supervisor that ends a service) is for the service: tables in flight
    # are still answered.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pa.set_cpu_count(1)
    end_with_parent(os.getppid(), signal.SIGKILL)
    while True:
        reader = os.fork()
        if reader == 0:
            # Whatever happens, no exception may reach the code of the first process.
            try:
                os._exit(_read_all(link))
            finally:
                os._exit(1)
        _, status = os.waitpid(reader, 0)
        if status == 0:
            return 0
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == ANEW:
            continue
        try:
            send(link, Ended(status))
        except OSError:
            return 0


def _read_all(link: socket.socket) -> int:
    end_with_parent(os.getppid(), signal.SIGKILL)
    # What a library says as it dies is told by its signal.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    held = _address_space()
    known, contract = b"", None
    while True:
        try:
            message, files = receive(link)
        except (EOFError, OSError):
            return 0
        job = msgspec.json.decode(message, type=Job)
        if contract is None or known != bytes(job.contract):
            known, contract = bytes(job.contract), read_contract(job.contract)
        _bound(job, held)
        source, target = files
        answer = _answer(job, contract, source, target)
        os.close(source)
        os.close(target)
        try:
            send(link, answer)
        except OSError:
            return 0
        if job.size > KEPT_BYTES or (isinstance(answer, Done) and answer.size > KEPT_BYTES):
            return ANEW


def _address_space() -> int:
    """Return how many bytes of addresses this process has taken, 0 if the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as told:
            return int(told.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _bound(job: Job, held: int) -> None:
    """Bound memory and processor time for one job: beyond it allocations fail, and then the process ends."""
    if held:
        # The body, what is unpacked from it, that once more as the graph takes it, and what the libraries need to work.
        most = held + WORK_BYTES + job.size + 2 * job.max_bytes
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used + job.seconds), resource.RLIM_INFINITY))


def _answer(job: Job, contract: ContractSpec, source: int, target: int) -> Done | Refused:
    try:
        body = mapped(source, job.size) if job.size else b""
        columns, rows = read_columns(body, job.content_type, contract, job.max_rows, job.max_bytes)
        return write_columns(columns, rows, target, job.number)
    except MemoryError:
        reason = f"reading the table takes more memory than {job.max_bytes} bytes unpacked and as many when checked"
        return Refused(job.number, "bytes", reason)
    except Exception as error:  # the boundary of the process: what cannot be read is refused
        return refused(error, job.number)


def write_columns(columns: Checked, rows: int, target: int, number: int) -> Done:
    """Lay columns into a file and return where they lie; what it held before is nobody's."""
    placed: list[Column] = []
    parts: list[tuple[int, Any]] = []
    size = 0

    def lay(values: Any) -> int:
        nonlocal size
        start = -(-size // _ALIGNMENT) * _ALIGNMENT
        parts.append((start, values))
        size = start + values.nbytes
        return start

    for name, values in columns.items():
        if isinstance(values, Distinct):
            ends, content = _buffers(values.values)
            where = {"start": lay(values.places), "ends": lay(ends), "content": lay(content)}
            form: Literal["text", "bytes"] = "bytes" if pa.types.is_large_binary(values.values.type) else "text"
            placed.append(Column(name, form=form, distinct=len(ends), size=content.nbytes, **where))
        elif isinstance(values, Vectors):
            where = {"start": lay(values.numbers), "ends": lay(values.ends), "content": lay(values.missing)}
            placed.append(Column(name, form="vectors", size=len(values.numbers), **where))
        else:
            whole = None if values.whole is None else lay(values.whole)
            placed.append(Column(name, lay(values.doubles), whole=whole))
    for start, values in parts:
        write(target, start, np.ascontiguousarray(values).data)
    return Done(number, rows, size, placed)


def _buffers(values: pa.LargeStringArray | pa.LargeBinaryArray) -> tuple[Any, Any]:
    """Return where each text or value of bytes ends, and all of them in one row of bytes."""
    _, offsets, characters = values.buffers()
    edges = np.frombuffer(offsets, np.int64)[values.offset :][: len(values) + 1]
    if not len(edges):
        return np.empty(0, np.int64), np.empty(0, np.uint8)
    whole = np.frombuffer(characters or b"", np.uint8)
    return edges[1:] - edges[0], whole[edges[0] : edges[-1]]


if __name__ == "__main__":
    sys.exit(main())
