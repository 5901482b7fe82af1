"""Columns of moments and days: seconds since 1970, as a graph takes them."""

from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data_contracts.description.spec import FieldSpec
from deployments.data_plane.tables.table_type import refuse
from deployments.data_plane.tables.types.numbers import NumberTable

_EPOCH = datetime(1970, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND


class DatetimeTable(NumberTable):
    """Moments without a zone."""

    name = "datetime"
    arrow = pa.timestamp("us")

    def fits(self, kind: pa.DataType) -> bool:
        return bool((pa.types.is_timestamp(kind) and kind.tz is None) or pa.types.is_date(kind))

    def cast(self, column: pa.Array) -> pa.Array:
        return column.cast(pa.timestamp("us")).cast(pa.int64())

    def seconds(self, values: pa.Array, missing: NDArray[np.bool_], field: FieldSpec) -> pa.Array:
        self.check_moments(values.fill_null(0).to_numpy(zero_copy_only=False), missing, field)
        return pc.divide(values.cast(pa.float64(), safe=False), 1_000_000.0)

    def check_moments(self, moments: NDArray[np.int64], missing: NDArray[np.bool_], field: FieldSpec) -> None:
        """Compare moments as whole numbers: as seconds, two that lie close together in a far year are the same."""
        years = "not in the years 1 to 9999"
        earliest, latest = field.moment_bounds()
        lows = [(datetime.min, years), (field.earliest, f"before {earliest}")]
        highs = [(datetime.max, years), (field.latest, f"after {latest}")]
        for ends, extreme, beyond in ((lows, moments.min(), np.less), (highs, moments.max(), np.greater)):
            for end, reason in ends:
                limit = None if end is None else (end - _EPOCH) // _MICROSECOND
                # Nearly always good: one look at the smallest and the largest saves those at every row.
                if limit is not None and beyond(extreme, limit):
                    refuse(beyond(moments, limit) & ~missing, field, partial(_told, reason))

    def exact(self, doubles: NDArray[np.float64]) -> NDArray[Any]:
        return np.round(doubles * 1e6).astype("datetime64[us]")

    def of_whole(self, whole: Any) -> Any:
        return whole.cast(pa.timestamp("us")).cast(self.arrow)


class DateTable(DatetimeTable):
    """Days."""

    name = "date"
    arrow = pa.date32()

    def check_moments(self, moments: NDArray[np.int64], missing: NDArray[np.bool_], field: FieldSpec) -> None:
        refuse(moments % _DAY != 0, field, lambda row: "a date has no time of day")
        super().check_moments(moments, missing, field)

    def exact(self, doubles: NDArray[np.float64]) -> NDArray[Any]:
        return (doubles // 86_400).astype("datetime64[D]")


def _told(reason: str, row: int) -> str:
    return reason


TYPES = (DatetimeTable(), DateTable())
