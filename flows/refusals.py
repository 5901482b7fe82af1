"""What an error that a user can mend is told as: one line, and an exit code of its own."""

import errno
from typing import NamedTuple

import typer

from components.artefacts.errors import HostError, SlipwayError

# What a person can do where the machine will not write, or read.
UNFIT = {
    errno.EROFS: "SLIPWAY_HOME and the folder of the target must be writable",
    errno.EACCES: "give this user the right to it, or set SLIPWAY_HOME to a folder of its own",
    errno.EPERM: "give this user the right to it, or set SLIPWAY_HOME to a folder of its own",
    errno.ENOSPC: "make room and run the same command again: what was finished is kept",
    errno.EDQUOT: "make room and run the same command again: what was finished is kept",
    errno.EIO: "the disk does not answer as it should",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
}


class Refusal(NamedTuple):
    """A line, the kind of error it is of (empty: help that nobody asked for), and the exit code."""

    kind: str
    message: str
    code: int


def refusal_of(error: Exception) -> Refusal | None:
    """Return how an error is told; None for a defect of ours, which is shown as Python shows it."""
    if isinstance(error, SlipwayError):
        return Refusal(type(error).__name__, str(error), error.exit_code)
    if isinstance(error, OSError):
        # Whatever names a file: an argument, an option, a value in a workload file.
        if error.errno in UNFIT:
            where = f"{error.filename or 'a file'}: {str(error.strerror).lower()}"
            return Refusal("HostError", f"{where}; {UNFIT[error.errno]}", HostError.exit_code)
        if error.errno == errno.ENAMETOOLONG:
            told = f"a name is too long for a file: {str(error.filename)[:60]}..."
            return Refusal("HostError", told, HostError.exit_code)
    if isinstance(error, typer.TyperException):
        message = error.format_message()
        if "\n" in message:
            return Refusal("", message, error.exit_code)
        where = getattr(getattr(error, "ctx", None), "command_path", "slipway")
        return Refusal("UsageError", f"{message.rstrip('.')}; see {where} --help", error.exit_code)
    return None
