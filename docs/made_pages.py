"""A hook of MkDocs: pages of reference are made of the code when the site is built, and so are never out of date."""

import subprocess
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from components.catalog import find_kind, known_kinds
from components.declaration.workload import Workload
from components.settings import Settings


def commands() -> str:
    """Return what Typer says of every command, without its title."""
    command = [sys.executable, "-m", "typer", "flows.command_line", "utils", "docs", "--name", "slipway"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("\n")[2]


def workload_file() -> str:
    """Return every section of the workload file, and the options of every kind."""
    kinds = [
        part
        for name in known_kinds()
        for part in sections(find_kind(name).options, f"model, kind {name}", "What a model of this kind can be told.")
    ]
    return "\n".join([*sections(Workload, "Top level", "What stands at the left edge."), *kinds])


def settings() -> str:
    """Return every setting with the variable that sets it."""
    return "\n".join(table(Settings, lambda name: f"SLIPWAY_{name.upper()}"))


def sections(model: type[BaseModel], place: str, what: str) -> Iterator[str]:
    """Yield the keys of a section, then the sections that it holds, each once."""
    yield f"\n## {place}\n\n{what}\n"
    yield from table(model)
    told: set[type[BaseModel]] = set()
    for name, field in model.model_fields.items():
        for inner in _models(field.annotation):
            if inner in told:
                continue
            told.add(inner)
            below = name if place == "Top level" else f"{place}.{name}"
            yield from sections(inner, below + _which(inner, field), _one_paragraph(inner.__doc__))


def _which(model: type[BaseModel], field: FieldInfo) -> str:
    """Return what tells a section from the others that may stand at its place."""
    by = model.model_fields.get("by")
    return f", by {get_args(by.annotation)[0]}" if by and len(_models(field.annotation)) > 1 else ""


def table(model: type[BaseModel], called: Callable[[str], str] = str) -> Iterator[str]:
    """Yield the lines of a table of a model's fields."""
    yield "| key | value | if not given | meaning |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        cells = (f"`{called(name)}`", _value(field), _default(field), _meaning(field))
        yield "| " + " | ".join(_one_paragraph(cell).replace("|", "\\|") for cell in cells) + " |"


def _meaning(field: FieldInfo) -> str:
    told = field.description or " ".join(_one_paragraph(model.__doc__) for model in _models(field.annotation)[:1])
    return told if len(_models(field.annotation)) < 2 else "One of these sections."


def _models(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models(argument)]


def _value(field: FieldInfo) -> str:
    limits = [text for one in field.metadata if (text := _limit(one))]
    return ", ".join([_type(field.annotation), *limits])


def _type(annotation: Any) -> str:
    arguments = [one for one in get_args(annotation) if one is not types.NoneType and one is not Ellipsis]
    if _models(annotation) and get_origin(annotation) is None:
        return "a section"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{one}`" for one in arguments)
    if get_origin(annotation) in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(map(_type, arguments)))
    if get_origin(annotation) in (tuple, list):
        return f"a list: {_type(arguments[0])}"
    if get_origin(annotation) is dict:
        return f"a mapping to {_type(arguments[1])}"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything"}
    # Annotated and type aliases hold the type first.
    return names.get(annotation) or (_type(arguments[0]) if arguments else getattr(annotation, "__name__", "text"))


def _limit(constraint: Any) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "length at least"}
    found = {told: getattr(constraint, key, None) for key, told in words.items()}
    return " and ".join(f"{told} {limit}" for told, limit in found.items() if limit is not None)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**must be given**"
    value = field.get_default(call_default_factory=True)
    if value in (None, (), {}, "", PydanticUndefined) or isinstance(value, BaseModel):
        return ""
    return f"`{value}`"


def _one_paragraph(text: str | None) -> str:
    return " ".join((text or "").split("\n\n")[0].split())


PAGES = {
    "reference/commands.md": commands,
    "reference/workload_file.md": workload_file,
    "reference/settings.md": settings,
}


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Add what is made of the code to the page that has a place for it."""
    made = PAGES.get(page.file.src_uri)
    return f"{markdown}\n{made()}" if made else markdown
