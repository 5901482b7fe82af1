"""Networks for pictures: from uint8 pixels to logits, with the normalisation inside, so that a graph has it too."""

import torch
from torch import Tensor, nn

from components.kinds.image.options import ImageOptions

# The side to which a picture is averaged for the linear probe.
PROBED = 16


class Normalised(nn.Module):
    """Pixels as numbers with mean 0 and deviation 1 in each channel of the training split."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.reshape(1, -1, 1, 1))
        self.register_buffer("deviation", deviation.reshape(1, -1, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        normal: Tensor = (pixels.float() - self.mean) / self.deviation
        return normal


def statistics(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each channel of pixels [rows, channels, size, size], on 4,096 of them at most."""
    some = pixels[:: max(1, len(pixels) // 4_096)].float()
    return some.mean(dim=(0, 2, 3)), some.std(dim=(0, 2, 3)).clamp_min(1.0)


class Stage(nn.Sequential):
    """Two convolutions with batch normalisation, then half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.MaxPool2d(2, ceil_mode=True),
        )


class Convolutional(nn.Module):
    """Stages of convolutions, the mean over the picture, and a linear layer: logits [rows, columns]."""

    def __init__(self, normal: tuple[Tensor, Tensor], options: ImageOptions, columns: int) -> None:
        super().__init__()
        self.normalised = Normalised(*normal)
        widths = [options.width * 2**stage for stage in range(options.stages)]
        self.stages = nn.Sequential(*map(Stage, [options.channels, *widths[:-1]], widths))
        self.dropout = nn.Dropout(options.dropout)
        self.last = nn.Linear(widths[-1], columns)

    def forward(self, pixels: Tensor) -> Tensor:
        # Colour, 32 by 32, one thread: 983 pictures a second in training, not 719; grey, 28 by 28: 1,136 and 1,159.
        found = self.stages(self.normalised(pixels).contiguous(memory_format=torch.channels_last))
        logits: Tensor = self.last(self.dropout(found.mean(dim=(2, 3))))
        return logits


class Probe(nn.Module):
    """A linear layer on the picture averaged to 16 by 16: what a network has to beat."""

    def __init__(self, normal: tuple[Tensor, Tensor], options: ImageOptions, columns: int) -> None:
        super().__init__()
        self.normalised = Normalised(*normal)
        side = min(PROBED, options.size)
        # Not adaptive: that cannot be exported where the sides do not divide.
        self.averaged = nn.AvgPool2d(options.size // side)
        reached = options.size // (options.size // side)
        self.last = nn.Linear(options.channels * reached * reached, columns)

    def forward(self, pixels: Tensor) -> Tensor:
        logits: Tensor = self.last(self.averaged(self.normalised(pixels)).flatten(1))
        return logits


class Answering(nn.Module):
    """A network that answers with probabilities of logits over a temperature (Guo et al. 2017): what is exported."""

    def __init__(self, network: nn.Module, temperature: float) -> None:
        super().__init__()
        self.network = network
        self.temperature = temperature

    def forward(self, pixels: Tensor) -> Tensor:
        return probabilities(self.network(pixels).float() / self.temperature)


def probabilities(logits: Tensor) -> Tensor:
    """Return probabilities of logits [rows, columns]: of yes where there is one column, else of each class."""
    return torch.sigmoid(logits) if logits.shape[1] == 1 else torch.softmax(logits, dim=1)


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean log-loss of logits [rows, columns]."""
    if logits.shape[1] == 1:
        return nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels)
    return nn.functional.cross_entropy(logits, labels.long())


def augmented(pixels: Tensor, options: ImageOptions) -> Tensor:
    """Return pictures moved by a few pixels, each in a way of its own, and half of them mirrored if that is asked."""
    if options.shift:
        rows, channels, size, _ = pixels.shape
        padded = nn.functional.pad(pixels, [options.shift] * 4)
        steps = torch.arange(size, device=pixels.device)
        down, right = torch.randint(0, 2 * options.shift + 1, (2, rows, 1), device=pixels.device) + steps
        each = torch.arange(rows, device=pixels.device)[:, None, None, None]
        of = torch.arange(channels, device=pixels.device)[None, :, None, None]
        pixels = padded[each, of, down[:, None, :, None], right[:, None, None, :]]
    if options.flip:
        mirrored = torch.rand(len(pixels), 1, 1, 1, device=pixels.device) < 0.5
        pixels = torch.where(mirrored, pixels.flip(3), pixels)
    return pixels
