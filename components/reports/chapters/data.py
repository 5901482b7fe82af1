"""The data: splits, what was set aside and why, what was expected of them as a whole, how alike the splits are."""

import re
from typing import Any

from components.data.results import Expected
from components.reports.subject import Subject

SHIFTS = 8


def chapter(subject: Subject) -> dict[str, Any]:
    """Return what the template says in "Data"."""
    prepared = subject.prepared
    return {
        "splits": list(prepared.splits.values()) if prepared else [],
        "shifts": prepared.shifts[:SHIFTS] if prepared else [],
        "compared": len(prepared.shifts) if prepared else 0,
        "left_out": prepared.left_out if prepared else 0,
        "validated": subject.validated,
        "expectations": _expectations(subject.expected),
    }


def _expectations(expected: Expected | None) -> list[dict[str, Any]]:
    """Return Great Expectations' verdicts with their names as words."""
    return [
        {
            "what": " ".join(re.findall(r"[A-Z][a-z]*", one.expectation.removeprefix("Expect"))).lower(),
            "limits": ", ".join(
                f"{name.replace('_', ' ')} {f'{value:,}' if isinstance(value, int) else value}"
                for name, value in one.arguments.items()
            ),
            "observed": one.observed,
            "success": one.success,
        }
        for one in (expected.expectations if expected else ())
    ]
