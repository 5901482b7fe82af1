"""The one exception tree of Slipway; every error a user can cause is one of these.

SlipwayError                exit code 1
├── WorkloadError           2  the workload is unknown, or its file has a bad key or value
├── DataError               3
│   ├── SourceError            the source is missing, unreadable or empty
│   ├── ContractError          the data as a whole breaks the contract
│   └── SplitError             the splits cannot be made from this data
├── TrainingError           4  training cannot give a usable model
├── GateError               5  a gate refused
│   ├── BuildRefused           a whole build; it carries what was built (flows/build_model.py)
│   └── PromotionRefused       a build that wanted to serve; it carries what it was judged by (components/promotion)
├── BuildError              6  a build is missing, damaged or not what its manifest says
├── ServingError            7  the data plane did not start or did not answer as evaluated
└── HostError               8  the machine or its environment cannot do what was asked
    └── StoreError             the store cannot be reached, or has not what a reference names (components/store)
        └── ConflictError         somebody else has written a document since it was read
"""

# Characters of a message.
LONGEST = 2_000


class SlipwayError(Exception):
    """Something a user can understand and mend; the message says what, where, the limit and what to do.

    It is one line: what users call their things may hold line ends, signs that turn the text around, or a book.
    """

    exit_code = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(one_line(str(message)))

    def _render_traceback_(self) -> list[str]:
        """Return what a notebook shows of it: the message, as the command line does."""
        return [f"{type(self).__name__}: {self}"]


def one_line(text: str) -> str:
    """Return a text as one line that a terminal can show: signs that are none by their codes, cut in the middle."""
    if not text.isprintable():
        signs = (sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)
        text = "".join(signs)
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"


class WorkloadError(SlipwayError):
    exit_code = 2


class DataError(SlipwayError):
    exit_code = 3


class SourceError(DataError):
    pass


class ContractError(DataError):
    pass


class SplitError(DataError):
    pass


class TrainingError(SlipwayError):
    exit_code = 4


class GateError(SlipwayError):
    exit_code = 5


class BuildError(SlipwayError):
    exit_code = 6


class ServingError(SlipwayError):
    exit_code = 7


class HostError(SlipwayError):
    exit_code = 8
