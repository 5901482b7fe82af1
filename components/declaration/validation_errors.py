"""What is wrong with a file of a user's, told by its keys, lines and words: every fault, a clause each."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from components.declaration.yaml_document import Written, told_kind

# That are told at once.
MOST_FAULTS = 10


def describe_validation_error(
    error: ValidationError,
    model: type[BaseModel],
    written: Mapping[tuple[str | int, ...], Written] | None = None,
) -> str:
    """Say which keys are wrong, in which line each stands, what it holds and what is allowed; a clause each."""
    # A misspelt key also shows as a missing one: the unknown key is told first.
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    told = [_told_problem(problem, model, written or {}) for problem in problems[:MOST_FAULTS]]
    more = f"; and {len(problems) - MOST_FAULTS} more" if len(problems) > MOST_FAULTS else ""
    return (f"{len(problems)} faults: " if len(problems) > 1 else "") + "; ".join(told) + more


def _told_problem(
    problem: ErrorDetails, model: type[BaseModel], written: Mapping[tuple[str | int, ...], Written]
) -> str:
    parts, _ = _walk(model, problem["loc"])
    place = ".".join(map(str, parts))
    found = written.get(parts)
    line = f"line {found.line}: " if found else ""
    if problem["type"] == "extra_forbidden":
        return f"{line}unknown key '{place}' (allowed here: {', '.join(_walk(model, problem['loc'][:-1])[1])})"
    if problem["type"] == "missing":
        return f"{line}'{place}' is missing"
    return f"{line}'{place or 'file'}': {_told_value(problem, found)}"


def _told_value(problem: ErrorDetails, written: Written | None) -> str:
    """Say what is wrong with a value, and which words of the file YAML takes for something else."""
    value, kind = problem["input"], told_kind(problem["input"])
    words = written.text if written and written.text and not written.quoted else str(value)
    if problem["type"] in ("string_type", "literal_error") and kind and value is not None:
        return f"{_short(words)} is {kind}, and this is text: write it in quotes"
    text = problem["msg"].removeprefix("Value error, ")
    return text if isinstance(value, (dict, BaseModel)) else f"{text} (got {_short(repr(value))})"


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:60]}...{text[-37:]}"


def _walk(model: type[BaseModel], place: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], list[str]]:
    """Return a place as the file has it, and the keys allowed there, following sections by name."""
    options = [model]
    written: list[str | int] = []
    for part in place:
        # Where a section is one of several, its own name for itself comes next and stands in no file.
        chosen = [section for section in options if len(options) > 1 and part in _tags(section)]
        if chosen:
            options = chosen
            continue
        # What pydantic says of a key, and not of what stands there.
        if part == "[key]":
            continue
        written.append(part)
        fields = options[0].model_fields if options else {}
        annotation = fields[str(part)].annotation if part in fields else None
        kinds = [kind for kind in (annotation, *getattr(annotation, "__args__", ())) if isinstance(kind, type)]
        options = [kind for kind in kinds if issubclass(kind, BaseModel)] or options
    return tuple(written), list(options[0].model_fields)


def _tags(section: type[BaseModel]) -> tuple[Any, ...]:
    by = section.model_fields.get("by")
    return getattr(by.annotation, "__args__", ()) if by else ()
