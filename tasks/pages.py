"""Pages of stages for the Prefect UI, as Markdown: the state first, one reason a line, values as people read them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from components.gates.judge import GateReport, Verdict
from components.markdown import cell

# More of a list is in the files that the page names.
MOST_SHOWN = 20
MARKS = {"passed": "✓", "failed": "✗", "undecided": "?"}


def text(value: object) -> str:
    """Return a value as one line of Markdown: no sign of it is taken for a mark, nothing of it is cut off."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or value == "":
        return "none"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Path):
        return _file(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, Mapping):
        return _few([f"{text(name)}: {text(inner)}" for name, inner in value.items()], "; ")
    if isinstance(value, Iterable) and not isinstance(value, str):
        return _few([text(inner) for inner in value], ", ")
    return cell(value)


def _file(path: Path) -> str:
    """Return a file or folder as its name, which is a link, and where it lies; a browser need not follow the link."""
    if not path.is_absolute():
        return f"`{path}`"
    return f"[{text(path.name)}](<{path.as_uri()}>) in `{path.parent}`"


def _few(parts: Sequence[str], between: str) -> str:
    more = f"{between}and {len(parts) - MOST_SHOWN:,} more" if len(parts) > MOST_SHOWN else ""
    return (between.join(parts[:MOST_SHOWN]) + more) or "none"


def link(name: str, address: str) -> str:
    """Return a link to a page, or to a file where the address is a path."""
    return _file(Path(address)) if address.startswith("/") else f"[{text(name)}](<{address}>)"


def table(rows: Mapping[str, object]) -> str:
    """Return a two-column table."""
    lines = [f"| {text(name)} | {text(value)} |" for name, value in rows.items()]
    return "\n".join(["| what | value |", "| --- | --- |", *lines])


def fields_of(result: BaseModel) -> str:
    """Return a result's own fields as a table; a field that holds several things by name has a row for each."""
    rows: dict[str, object] = {}
    for name in type(result).model_fields:
        value: Any = getattr(result, name)
        spoken = name.replace("_", " ")
        if isinstance(value, Mapping) and value:
            rows |= {f"{spoken}, {inner}": _plain(found) for inner, found in list(value.items())[:MOST_SHOWN]}
        else:
            rows[spoken] = _plain(value)
    return table(rows)


def _plain(value: Any) -> Any:
    """Return a value without models in it."""
    return value.model_dump() if isinstance(value, BaseModel) else value


def verdicts(report: GateReport) -> str:
    """Return what every gate said: the state of the whole, then what did not pass and what would, then the rest."""
    passed = [verdict for verdict in report.verdicts if verdict.state == "passed"]
    parts = [f"## {_state(report)}", f"> {text(report.goal)}"]
    parts += [f"**Warning**: {text(warning)}" for warning in report.warnings]
    if report.refused:
        parts.append("### What did not pass\n\n" + "\n".join(line for one in report.refused for line in _said(one)))
    if passed:
        parts.append("### What passed\n\n" + "\n".join(line for one in passed for line in _said(one)))
    return "\n\n".join(parts)


def _state(report: GateReport) -> str:
    counts = {state: sum(one.state == state for one in report.verdicts) for state in ("failed", "undecided", "passed")}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    return f"{'✓ Passed' if report.passed else '✗ Refused'}: of {len(report.verdicts)} gates {told}"


def _said(verdict: Verdict) -> list[str]:
    lines = [f"- {MARKS[verdict.state]} **{text(verdict.gate)}** {verdict.state}: {text(verdict.reason)}"]
    lines += [f"    - would pass: {text(verdict.would_pass)}"] if verdict.would_pass else []
    lines += [f"    - **warning**: {text(verdict.warning)}"] if verdict.warning else []
    lines += [f"    - figures: {text(verdict.figures)}"] if verdict.figures and verdict.state != "passed" else []
    return lines
