"""What answers are measured by: every metric with its name, its direction and its ends; a kind adds its own.

Those of every kind stand here as facts alone, so that reading a workload file stays quick; what they compute is in
``components/evaluation/metrics.py``. A kind's own are functions in the file ``metrics.py`` of its folder:

    @metric("multiclass", title="share among the two likeliest")
    def top_two(labels, answers):  # places [rows], probabilities [rows, classes]
        return float((np.argsort(answers)[:, -2:] == labels[:, None]).any(axis=1).mean())

A goal and a floor name it as they name any other; its interval comes from calls on rows that were drawn again.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from components.artefacts.errors import WorkloadError
from components.artefacts.inference import kind_folders
from components.declaration.targets import Target
from components.user_code import told_of_theirs

# Labels [rows] (yes or no, places of classes, numbers) and answers to a number; NaN where the rows cannot tell.
Score = Callable[[NDArray[Any], NDArray[Any]], float]
FILE = "metrics.py"


@dataclass(frozen=True)
class Metric:
    """A metric of answers of one kind; without a target it is of one class, and asked for with it."""

    name: str
    target: Target | None
    # As a person writes it.
    title: str
    higher_is_better: bool = True
    # The smallest and the largest value that it can have.
    ends: tuple[float, float] = (0.0, 1.0)
    # What it counts: the label's own unit (hours of hours), or another; most have none.
    in_label_unit: bool = False
    unit: str = ""
    # Whose own it is, and what computes it; empty of those of every kind.
    kind: str = ""
    score: Score | None = None

    @property
    def sign(self) -> float:
        """1 where more is better, -1 where less is."""
        return 1.0 if self.higher_is_better else -1.0


_ERROR = (0.0, float("inf"))
_SHARED = (
    Metric("auc", "binary", "AUC"),
    Metric("pr_auc", "binary", "PR-AUC"),
    Metric("log_loss", "binary", "log-loss", False, _ERROR),
    Metric("brier", "binary", "Brier score", False),
    Metric("macro_f1", "multiclass", "macro F1"),
    Metric("accuracy", "multiclass", "accuracy"),
    Metric("cross_entropy", "multiclass", "cross-entropy", False, _ERROR),
    Metric("rmse", "regression", "root mean square error", False, _ERROR, in_label_unit=True),
    Metric("mae", "regression", "mean absolute error", False, _ERROR, in_label_unit=True),
    Metric("r2", "regression", "R²", True, (float("-inf"), 1.0)),
    # Measured of quantiles, not yet asked for.
    Metric("coverage", "quantiles", "coverage"),
    Metric("width", "quantiles", "width", False, _ERROR, in_label_unit=True),
    Metric("pinball", "quantiles", "pinball loss", False, _ERROR, in_label_unit=True),
    Metric("recall", None, "recall"),
    Metric("precision", None, "precision"),
    Metric("f1", None, "F1"),
)
SHARED = {one.name: one for one in _SHARED}
# What a floor may ask of one class.
CLASS_METRICS = tuple(one.name for one in _SHARED if one.target is None)
_own: dict[str, Metric] = {}
_read: set[str] = set()


def metric(
    target: Target,
    *,
    title: str,
    higher_is_better: bool = True,
    ends: tuple[float, float] = (0.0, 1.0),
    in_label_unit: bool = False,
    unit: str = "",
) -> Callable[[Score], Score]:
    """Register a function of a kind's file ``metrics.py`` as a metric of the function's name."""

    def register(score: Score) -> Score:
        kind = score.__module__.split(".")[-2]
        known = SHARED.get(score.__name__) or _own.get(score.__name__)
        if known is not None and known.kind != kind:
            whose = f"of {known.kind}" if known.kind else "of every kind"
            raise ValueError(f"there is a metric '{known.name}' {whose} already: give it another name")
        _own[score.__name__] = Metric(
            score.__name__, target, title, higher_is_better, ends, in_label_unit, unit, kind, score
        )
        return score

    return register


def metrics_for(target: Target, kind: str) -> tuple[str, ...]:
    """Return the names of all metrics that judge a kind's answers of a target, its own last."""
    _read_own(kind)
    return tuple(one.name for one in (*_SHARED, *_own.values()) if one.target == target and one.kind in ("", kind))


def find_metric(name: str) -> Metric | None:
    """Return a metric by its name, whosever it is; None if there is none."""
    if name not in SHARED and name not in _own:
        for kind in kind_folders():
            _read_own(kind)
    return SHARED.get(name) or _own.get(name)


def metric_of(name: str) -> Metric:
    """Return a metric by its name; ValueError says which there are."""
    found = find_metric(name)
    if found is None or found.target is None:
        known = ", ".join(one.name for one in (*_SHARED, *_own.values()) if one.target)
        raise ValueError(f"unknown metric '{name}'; known: {known}")
    return found


def known_metrics() -> tuple[str, ...]:
    """Return the name of every metric of answers, those of every kind first."""
    for kind in kind_folders():
        _read_own(kind)
    return tuple(one.name for one in (*_SHARED, *_own.values()) if one.target)


def sign_of(name: str) -> float:
    """Return 1 for what is better the larger it is, -1 for what is better the smaller it is."""
    found = find_metric(name)
    return found.sign if found else 1.0


def title_of(name: str) -> str:
    """Return a metric's name as a person writes it."""
    found = find_metric(name)
    return found.title if found else name.replace("_", " ")


def _read_own(kind: str) -> None:
    file = kind_folders().get(kind)
    if file is None or kind in _read or not (file / FILE).is_file():
        return
    with told_of_theirs(f"'kind': {kind}: {file / FILE} cannot be read", WorkloadError):
        importlib.import_module(f"components.kinds.{kind}.metrics")
    _read.add(kind)
