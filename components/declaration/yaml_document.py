"""A YAML file that a person wrote, as plain values, each with the line and the words it was written in.

YAML 1.1 reads ``NO`` as false, ``010`` as 8 and ``12:30`` as 750, and of a key that stands twice it keeps the last.
What means one thing to a person and another to a reader is refused, or told where it turns out to be out of place.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

import yaml

Place = tuple[str | int, ...]
# A workload file has hundreds of values; aliases of aliases may stand for any number.
MOST_VALUES = 100_000
MOST_BYTES = 5_000_000
_TAG = "tag:yaml.org,2002:"
_EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
_OCTAL = re.compile(r"[-+]?0[0-9_]+")
_DIGITS = 400


class Written(NamedTuple):
    """How a value stands in the file: its line, its words, and whether these are in quotes."""

    line: int
    text: str
    quoted: bool


class YamlDocument(NamedTuple):
    """The values of a file, and how each was written, by its place."""

    values: Any
    written: dict[Place, Written]


class YamlFault(ValueError):
    """What is wrong with a file, in one line."""


def read_yaml(content: bytes) -> YamlDocument:
    """Return the one document of a file; YamlFault for what is no YAML, or means something else than it seems to."""
    if len(content) > MOST_BYTES:
        raise YamlFault(f"it has {len(content):,} bytes; at most {MOST_BYTES:,}")
    try:
        node = yaml.compose(content.decode("utf-8-sig"), Loader=yaml.SafeLoader)
        reader = _Reader()
        values = reader.read(node, ()) if node is not None else None
    except UnicodeDecodeError as error:
        raise YamlFault(f"not readable YAML: byte 0x{error.object[error.start]:02x} is not UTF-8") from error
    except yaml.YAMLError as error:
        raise YamlFault(f"not readable YAML: {' '.join(str(error).split())[:300]}") from error
    except RecursionError as error:
        raise YamlFault("not readable YAML: it is nested too deeply") from error
    return YamlDocument(values, reader.written)


def told_kind(value: object) -> str | None:
    """Return what YAML takes a value for that is no text; None if it is text, or no single value."""
    if value is None:
        return "YAML's word for nothing"
    if isinstance(value, bool):
        return "a truth value in YAML"
    if isinstance(value, (int, float)):
        return "a number in YAML"
    return "a date in YAML" if isinstance(value, (date, datetime)) else None


class _Reader:
    """Makes values of nodes, and notes how each was written."""

    def __init__(self) -> None:
        self.written: dict[Place, Written] = {}
        self._count = 0
        self._above: list[yaml.Node] = []

    def read(self, node: yaml.Node, place: Place) -> Any:
        self._count += 1
        if self._count > MOST_VALUES:
            raise YamlFault(f"it stands for more than {MOST_VALUES:,} values: write out what its aliases mean")
        if any(node is one for one in self._above):
            raise YamlFault(f"line {_line(node)}: {_told(place)} holds itself, by its own alias")
        self.written[place] = Written(_line(node), "", False)
        if isinstance(node, yaml.ScalarNode):
            self.written[place] = Written(_line(node), node.value, node.style is not None)
            _check_text(node)
            return _value(node, place)
        if node.tag.removeprefix(_TAG) not in ("map", "seq"):
            raise _unknown(node, place)
        self._above.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.read(inner, (*place, index)) for index, inner in enumerate(node.value)]
            return {key: self.read(inner, (*place, key)) for key, inner in self._pairs(node, place)}
        finally:
            self._above.pop()

    def _pairs(self, node: yaml.Node, place: Place) -> Iterator[tuple[str, yaml.Node]]:
        """Yield the keys of a mapping, as they are written, and what stands there; keys of its own go before merged."""
        own: dict[str, yaml.Node] = {}
        lines: dict[str, int] = {}
        merged: list[yaml.Node] = []
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise YamlFault(f"line {_line(key)}: a key of {_told(place)} is no single word")
            if key.tag == f"{_TAG}merge":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
                continue
            _check_text(key)
            if key.value in own:
                raise YamlFault(
                    f"line {_line(key)}: '{_dotted((*place, key.value))}' stands there twice, first in line "
                    f"{lines[key.value]}: keep one of them"
                )
            own[key.value], lines[key.value] = value, _line(key)
        for other in merged:
            if not isinstance(other, yaml.MappingNode) or any(other is one for one in self._above):
                raise YamlFault(f"line {_line(other)}: '<<' in {_told(place)} takes an alias of other keys")
            for key, value in self._pairs(other, place):
                own.setdefault(key, value)
        yield from own.items()


def _check_text(node: yaml.ScalarNode) -> None:
    # YAML's escapes can write half of a pair, which no file and no database takes.
    if any("\ud800" <= sign <= "\udfff" for sign in node.value):
        raise YamlFault(
            f"line {_line(node)}: {ascii(node.value)[:60]} has half of a character: write it out, or as \\U"
        )


def _value(node: yaml.ScalarNode, place: Place) -> Any:
    kind, text = node.tag.removeprefix(_TAG), node.value
    where = f"line {_line(node)}: {_told(place)}"
    if kind == "str":
        return float(text) if node.style is None and _EXPONENT.fullmatch(text) and len(text) < _DIGITS else text
    if kind in ("null", "value", "merge"):
        return None if kind == "null" else text
    if kind == "bool" and text.lower() in yaml.SafeLoader.bool_values:
        return yaml.SafeLoader.bool_values[text.lower()]
    if kind in ("int", "float") and ":" in text:
        raise YamlFault(f"{where}: {text[:40]} is a number of base 60 in YAML: write it in quotes, or as one number")
    if kind == "int" and _OCTAL.fullmatch(text):
        raise YamlFault(f"{where}: {text[:40]} is an octal number in YAML: write it in quotes, or without the zero")
    loader = yaml.SafeLoader("")
    try:
        if kind == "int" and len(text) < _DIGITS:
            return loader.construct_yaml_int(node)
        if kind == "float" and len(text) < _DIGITS:
            return loader.construct_yaml_float(node)
        if kind == "timestamp":
            return loader.construct_yaml_timestamp(node)
    except (ValueError, OverflowError, AttributeError) as error:
        if kind == "timestamp":
            raise YamlFault(f"{where}: there is no day or time {text[:40]} ({error})") from error
        raise YamlFault(f"{where}: {text[:40]} cannot be read as {kind}: {error}") from error
    if kind in ("int", "float"):
        raise YamlFault(f"{where}: {text[:40]}... is a number of {len(text):,} signs")
    raise _unknown(node, place)


def _unknown(node: yaml.Node, place: Place) -> YamlFault:
    return YamlFault(
        f"line {_line(node)}: {_told(place)} has the tag {node.tag.replace(_TAG, '!!')[:60]}: leave it out"
    )


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _dotted(place: Place) -> str:
    return ".".join(map(str, place))


def _told(place: Place) -> str:
    return f"'{_dotted(place)}'" if place else "the file"
