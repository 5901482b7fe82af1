"""Pictures of single examples, say the worst mistakes of an image model: whatever a kind drew for the evidence.

evidence.tables["pictures"] = [{"title": "Worst mistakes", "note": "...", "pictures": [{"png": BASE64, "note": "..."}]}]
"""

import base64
import binascii
from typing import Any

from components.reports.subject import Subject

PNG = b"\x89PNG\r\n\x1a\n"


def chapter(subject: Subject) -> dict[str, Any]:
    """Return what the template says in "Pictures"; what is no PNG is left out, for a page runs nothing foreign."""
    groups = subject.evidence.tables.get("pictures") or []
    return {
        "pictures": [
            {**group, "pictures": [one for one in group["pictures"] if _is_png(one["png"])]} for group in groups
        ]
    }


def _is_png(text: str) -> bool:
    try:
        return base64.b64decode(text, validate=True).startswith(PNG)
    except (binascii.Error, ValueError):
        return False
