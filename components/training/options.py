"""What every kind that trains with Lightning may set in its ``model`` section. Imports no torch: it is read often."""

from typing import ClassVar, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from components.declaration.section import Section
from components.training.search_options import SearchOptions


class TrainingOptions(Section):
    """Options of the training engine; a kind adds its own by inheriting."""

    # What is settled once for a whole training, before or after the trials of a search, so that no trial can vary it.
    settled: ClassVar[frozenset[str]] = frozenset(
        {"precision", "compile", "devices", "strategy", "time_cap_minutes", "checkpoint_minutes", "search"}
    )

    epochs: int = Field(6, ge=1, le=10_000, description="Passes over the training split at most.")
    batch_size: int = Field(1024, ge=1, le=1_000_000, description="Rows of a step, over all processes.")
    learning_rate: float = Field(0.002, gt=0, le=10, description="Peak of the schedule.")
    weight_decay: float = Field(1e-4, ge=0, le=10, description="Decoupled weight decay (AdamW).")
    schedule: Literal["cosine", "constant"] = Field("cosine", description="Learning rate after the warm-up.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of all steps in which the rate climbs.")
    clip: float = Field(1.0, ge=0, description="Largest norm of the gradient; 0 clips nothing.")
    accumulate: int = Field(1, ge=1, le=10_000, description="Batches whose gradients make one step.")
    patience: int = Field(3, ge=1, description="Validations without a better score before training stops.")
    ema: float | None = Field(None, gt=0, lt=1, description="Decay of the moving average of weights; none if not set.")
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: what the hardware is good at."
    )
    compile: Literal["auto", "never", "always"] = Field(
        "auto", description="auto: torch.compile where it was measured to pay."
    )
    devices: int = Field(1, ge=1, le=1024, description="Processes (GPUs, or CPU processes with gloo).")
    strategy: Literal["auto", "ddp", "fsdp"] = Field("auto", description="How several processes share the work.")
    time_cap_minutes: float = Field(
        60,
        gt=0,
        description="Training stops after so many minutes of work (processor time over its threads; on a card, of the "
        "clock), with the best model so far.",
    )
    search: SearchOptions | None = Field(None, description="Look for better options first; none if not set.")
    checkpoint_minutes: float = Field(5, gt=0, description="Also within an epoch, so that a killed run loses little.")

    @field_validator("search")
    @classmethod
    def _trials_can_vary(cls, search: SearchOptions | None, info: ValidationInfo) -> SearchOptions | None:
        for name, tried in search.ranges.items() if search is not None else ():
            if name not in cls.model_fields or name in cls.settled:
                why = "is the same for all trials" if name in cls.settled else "is not an option of this kind"
                allowed = ", ".join(option for option in cls.model_fields if option not in cls.settled)
                raise ValueError(f"'{name}' in ranges {why}; a search can vary {allowed}")
            for value in tried.limits:
                # Among the options that were declared before, for some exclude each other.
                try:
                    cls.model_validate({**info.data, name: value})
                except ValidationError as error:
                    why = error.errors(include_url=False)[0]["msg"].removeprefix("Value error, ")
                    raise ValueError(f"'{name}' in ranges cannot be {value!r}: {why}") from error
        return search

    @model_validator(mode="after")
    def _shards_are_not_averaged(self) -> Self:
        if self.strategy == "fsdp" and self.ema is not None:
            raise ValueError("ema averages whole weights, and with strategy fsdp no process has them: leave one out")
        return self
