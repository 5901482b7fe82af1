"""The dossier: one self-contained HTML page that says what a build is, how good it is, and why to believe it.

    page = render_dossier(Subject(workload, contract, evidence, report, validated, expected, prepared, trained))

Everything on the page is computed from evidence and results that lie beside it; nothing is fetched when it is opened.
Each chapter is a module that says what the template needs for it.
"""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.reports.chapters import card, data, making, pictures, quality, verdicts, where
from components.reports.numbers import signed
from components.reports.subject import Subject

TEMPLATE = "dossier.html.jinja"
CHAPTERS = (verdicts, quality, pictures, where, making, data, card)
# Headings, and which of the chapters' values must say something for one to be there; none: it always is.
SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "gates": ("Gates", ()),
    "quality": ("How good it is", ()),
    "decisions": ("Decisions", ("confusion",)),
    "classes": ("Classes", ("classes",)),
    "numbers": ("Numbers", ("quantiles", "biases")),
    "pictures": ("Pictures", ("pictures",)),
    "slices": ("Slices", ()),
    "behaviour": ("Behaviour", ("importance", "tests")),
    "shipped": ("What ships", ("compression", "ladder", "budget")),
    "data": ("Data", ()),
    "card": ("Model card", ()),
    "cost": ("What it took", ("cost",)),
    "lineage": ("Lineage", ()),
}


def render_dossier(subject: Subject) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    return environment.get_template(TEMPLATE).render(**_page(subject))


def _page(subject: Subject) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for chapter in CHAPTERS:
        said |= chapter.chapter(subject)
    there = {key: title for key, (title, needed) in SECTIONS.items() if not needed or any(said[n] for n in needed)}
    return said | {"sections": list(there.items())}
