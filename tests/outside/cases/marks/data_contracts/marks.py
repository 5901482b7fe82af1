from typing import Literal

from data_contracts.contract import Contract, column


class Mark(Contract):
    """A mark that somebody wrote by hand."""

    scan: bytes = column(
        "The mark, grey", media_type="image/png", max_bytes=10_000, media={"min_width": 8, "max_pixels": 10_000}
    )
    mark: Literal["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"] = column(
        "Which it is", roles=("label",), available="after"
    )
