"""Errors of code that users bring (the module of a contract, a function that is a source), told in one line."""

import sysconfig
import traceback
from pathlib import Path

_OURS = Path(__file__).parent
_STANDARD = Path(sysconfig.get_paths()["stdlib"])
# Characters of a text that are told; of a longer one the beginning and the end, which has the cause.
LENGTH = 400


def told(error: BaseException) -> str:
    """Return an error's kind, text and place: the last line of the user's own that it came through."""
    # Polars ends with the plan that failed, which makes sense to a programmer alone.
    text = " ".join(str(error).split()).partition(" This error occurred")[0]
    if len(text) > LENGTH:
        text = f"{text[: LENGTH // 2]} ... {text[-LENGTH // 2 :]}"
    place = _place(error)
    if isinstance(error, SyntaxError) and error.filename:
        text, place = error.msg, f"{error.filename}, line {error.lineno}"
    return type(error).__name__ + (f": {text}" if text else "") + (f" ({place})" if place else "")


def _place(error: BaseException) -> str | None:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_theirs(frame.filename)]
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else None


def _is_theirs(file: str) -> bool:
    path = Path(file)
    if not path.is_absolute() or "site-packages" in path.parts:
        return False
    return not path.is_relative_to(_OURS) and not path.is_relative_to(_STANDARD)
