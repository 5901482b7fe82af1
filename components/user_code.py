"""Code that users bring (a contract, a function that is a source or a test): found by name, its errors in one line."""

import importlib
import sysconfig
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.artefacts.errors import SlipwayError

_OURS = Path(__file__).parent
_STANDARD = Path(sysconfig.get_paths()["stdlib"])
# Characters of a text that are told; of a longer one the beginning and the end, which has the cause.
LENGTH = 400


def find_function(reference: str, where: str, error: type[SlipwayError]) -> Callable[..., Any]:
    """Return the user's function module:function; ``error`` begins with ``where`` if there is none."""
    module_name, _, name = reference.partition(":")
    with told_of_theirs(f"{where}: module '{module_name}' cannot be imported", error):
        module = importlib.import_module(module_name)
    function: Callable[..., Any] | None = getattr(module, name, None)
    if not callable(function):
        raise error(f"{where}: module '{module_name}' has no function '{name}'")
    return function


@contextmanager
def told_of_theirs(where: str, error: type[SlipwayError]) -> Iterator[None]:
    """Raise as ``error``, in one line that begins with ``where``, whatever code of the user's own raises."""
    try:
        yield
    except (Exception, SystemExit) as failed:
        raise error(f"{where}: {told(failed)}") from failed


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
