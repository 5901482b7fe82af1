"""What may become of a process that answers: an answer, an error of ours, a defect, a death."""

import os
import signal

import numpy as np

from components.artefacts.errors import SourceError


class Own(SourceError):
    """An error that whoever asks does not know."""


def answer(question: bytes) -> bytes:
    match question:
        case b"refuse":
            raise Own("the file is no good")
        case b"fail":
            raise ZeroDivisionError("a defect")
        case b"die":
            os.kill(os.getpid(), signal.SIGSEGV)
        case b"exit":
            os._exit(7)
        case b"much":
            return bytes(np.ones(2**45).tobytes())
    os.write(1, b"not the answer")
    return question * 2
