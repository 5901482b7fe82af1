"""What the ``model`` section of a tabular workload may hold. Imports no torch: it is read often."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from components.artefacts.errors import WorkloadError
from components.declaration.section import Section
from components.declaration.targets import Target, target_of
from components.training.options import TrainingOptions
from data_contracts.description.spec import ContractSpec

CalibrationMethod = Literal["auto", "none", "temperature", "platt", "isotonic", "shift"]
Level = Annotated[float, Field(gt=0, lt=1)]


# From so many rows on, slower steps pay: there is more to learn, and a tree is a smaller part of it.
MANY_ROWS = 100_000
# A leaf holds one row of so many.
ROWS_OF_A_LEAF = 10_000


class Baseline(Section):
    """XGBoost, histogram trees. What is not set follows from the number of training rows."""

    n_estimators: int = Field(1000, ge=1, le=100_000, description="Trees at most.")
    max_depth: int = Field(6, ge=1, le=30)
    learning_rate: float | None = Field(
        None, gt=0, le=1, description="If not set 0.1, and 0.05 from 100,000 training rows on."
    )
    subsample: float = Field(0.8, gt=0, le=1, description="Share of rows a tree sees.")
    colsample_bytree: float = Field(0.6, gt=0, le=1, description="Share of columns a tree sees.")
    min_child_weight: float | None = Field(
        None, ge=0, description="If not set a ten thousandth of the training rows, from 1 to 20."
    )
    patience: int = Field(30, ge=1, description="Trees without a lower validation loss before boosting stops.")

    def for_rows(self, rows: int) -> "Baseline":
        """Return the options with nothing left open."""
        followed = {
            "learning_rate": 0.1 if rows < MANY_ROWS else 0.05,
            "min_child_weight": float(min(20, max(1, rows // ROWS_OF_A_LEAF))),
        }
        return self.model_copy(update={key: value for key, value in followed.items() if getattr(self, key) is None})


class TabularOptions(TrainingOptions):
    """Options of tabular models."""

    # A trial is one network, scored before it is calibrated; trees and floor are fitted once, beside the search.
    settled: ClassVar[frozenset[str]] = TrainingOptions.settled | {
        "baseline",
        "linear",
        "calibration",
        "quantiles",
        "folds",
        "refit",
    }

    architecture: Literal["mlp", "tabm"] = Field(
        "mlp", description="mlp: embeddings and a perceptron; tabm: an ensemble of them that shares weights."
    )
    hidden: tuple[int, ...] = Field((256, 128), min_length=1, description="Widths of the hidden layers.")
    members: int = Field(16, ge=1, le=256, description="Members of a tabm ensemble.")
    dropout: float = Field(0.1, ge=0, lt=1)
    class_weight: Literal["none", "balanced"] = Field("none", description="balanced: a rare class weighs more.")
    focal_gamma: float = Field(0.0, ge=0, le=10, description="Above 0: the network's focal loss, easy rows weigh less.")
    calibration: CalibrationMethod = Field(
        "auto",
        description="Fitted on validation and put into the graph. auto: platt for yes or no, temperature for classes, "
        "none for numbers. isotonic (and shift, of numbers and quantiles) needs a validation split like what comes.",
    )
    quantiles: tuple[Level, ...] = Field((), description="Beside a number: this share of outcomes lies below.")
    baseline: Baseline = Baseline()
    folds: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Parts of training and validation together that trees and linear model are judged on, each part by "
        "a model of the others; 0: judged on validation. If not set 5 where that is quick (up to 10,000 rows) and the "
        "split is not by time.",
    )
    refit: bool | None = Field(
        None,
        description="Whether trees and linear model learn at last from validation, too. If not set, where the split is "
        "not by time and both have up to 200,000 rows.",
    )
    linear: bool = Field(True, description="Also fit a linear model, the floor.")

    @field_validator("quantiles")
    @classmethod
    def _rising(cls, levels: tuple[float, ...]) -> tuple[float, ...]:
        if list(levels) != sorted(set(levels)):
            raise ValueError("quantiles must rise, for instance [0.1, 0.9]")
        return levels


# What a ``model`` section may ask for only with some labels.
FITS: dict[str, tuple[Target, ...]] = {
    "platt": ("binary",),
    "temperature": ("binary", "multiclass"),
    "isotonic": ("binary", "multiclass"),
    "shift": ("regression",),
}


def check_options(options: TabularOptions, contract: ContractSpec) -> None:
    """Raise WorkloadError for an option that means nothing for the contract's label."""
    target = target_of(contract)
    label = f"'{contract.label.name}', a {target} label"
    if target not in FITS.get(options.calibration, (target,)):
        raise WorkloadError(
            f"'model.calibration': {options.calibration} is for {' and '.join(FITS[options.calibration])} labels, not "
            f"for {label}; auto fits every one"
        )
    for key, target_list in (("quantiles", ("regression",)), ("class_weight", ("binary", "multiclass"))):
        given = getattr(options, key)
        if given not in ((), "none") and target not in target_list:
            raise WorkloadError(
                f"'model.{key}' is for {' and '.join(target_list)} labels, not for {label}: leave it out"
            )
    if target == "regression":
        tried = options.search.ranges if options.search is not None else {}
        if options.focal_gamma:
            raise WorkloadError(f"'model.focal_gamma' weighs classes, and {label} has none: leave it out")
        for key in ("class_weight", "focal_gamma"):
            if key in tried:
                raise WorkloadError(f"'model.search.ranges.{key}' weighs classes, and {label} has none: leave it out")
