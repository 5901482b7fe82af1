"""The ``model`` section of an image workload."""

from typing import Literal

from pydantic import Field

from components.training.options import TrainingOptions


class ImageOptions(TrainingOptions):
    """What the network looks at, what it is made of, and how it is trained."""

    size: int = Field(32, ge=8, le=512, description="Every picture is made a square of so many pixels.")
    channels: Literal[1, 3] = Field(3, description="1: grey, 3: colour.")
    width: int = Field(16, ge=1, le=512, description="Channels of the first stage; each further one has twice as many.")
    stages: int = Field(3, ge=1, le=6, description="Two convolutions each, at half the size of the stage before.")
    dropout: float = Field(0.2, ge=0, lt=1, description="Before the last layer.")
    shift: int = Field(2, ge=0, le=64, description="Augmentation: pixels by which a picture is moved at most.")
    flip: bool = Field(False, description="Augmentation: half of the pictures are mirrored, left to right.")
    epochs: int = Field(10, ge=1, le=10_000, description="Passes over the training split at most.")
    batch_size: int = Field(128, ge=1, le=1_000_000, description="Pictures of a step, over all processes.")
    learning_rate: float = Field(0.004, gt=0, le=10, description="Peak of the schedule.")
    weight_decay: float = Field(0.01, ge=0, le=10, description="Decoupled weight decay (AdamW).")
