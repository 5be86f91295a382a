"""What is done to pictures after rendering, on a whole batch in torch: move, color, normalize, contrast, pixel noise.

The order of the last three is that of appendix C.2.8.
"""

from __future__ import annotations

import torch
import torch.nn.functional as functional
from torch import Tensor

from dexctl.profile import schema
from dexctl.profile.distribution import Distribution, Value

# B states, C cameras, H, W pixels.

# A picture of one colour has no deviation; a step of one in 255 is nothing to be blown up.
_LEAST_DEVIATION = 1.0


def normalize(pictures_BCHW3: Tensor, how: str) -> Tensor:
    """Brings each picture, or each of its color channels, to mean 0 and deviation 1.

    Args:
        pictures_BCHW3: uint8 or float, RGB.
        how: ``picture`` or ``channel``.

    Returns:
        float32 of the same shape.
    """
    pictures = pictures_BCHW3.float()
    over = (2, 3) if how == "channel" else (2, 3, 4)
    deviation, mean = torch.std_mean(pictures, dim=over, correction=0, keepdim=True)
    return (pictures - mean) / deviation.clamp_min(_LEAST_DEVIATION)


class Augmentation:
    """Contrast and noise of ``randomize.appearance``, shifts and colors, drawn anew for every batch."""

    def __init__(self, profile: schema.Profile, seed: int) -> None:
        assert profile.vision is not None
        self._appearance = profile.randomize.appearance
        self._training = profile.vision.training
        self._generator = torch.Generator().manual_seed(seed)

    def __call__(self, pictures_BCHW3: Tensor) -> tuple[Tensor, Tensor]:
        """Augments a batch.

        Args:
            pictures_BCHW3: uint8, RGB.

        Returns:
            Normalized pictures, float32, and by how much each was moved, (B, C, 2), to the right and
            downwards in units of half a picture.
        """
        moved, by = self._shift(pictures_BCHW3)
        pictures = normalize(self._color(moved), self._training.normalize)
        if self._appearance.on:
            states, cameras = pictures.shape[:2]
            pictures *= self._draw(self._appearance.contrast, (states, cameras, 1, 1, 1))
            noise = self._appearance.pixel_noise
            if noise != 0.0:
                pictures += self._draw(noise, tuple(pictures.shape))
        return pictures, by

    def _shift(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        reach, (states, cameras, height, width, _) = self._training.shift_px, pictures.shape
        by = torch.zeros(states, cameras, 2)
        if not reach:
            return pictures, by
        # Edges are drawn out: a colour that does not belong would tell how far a picture was moved.
        flat = pictures.flatten(0, 1).permute(0, 3, 1, 2).float()
        padded = functional.pad(flat, (reach,) * 4, mode="replicate").to(torch.uint8).permute(0, 2, 3, 1)
        starts = torch.randint(0, 2 * reach + 1, (states * cameras, 2), generator=self._generator)
        moved = torch.stack(
            [
                one[top : top + height, left : left + width]
                for one, (left, top) in zip(padded, starts.tolist(), strict=True)
            ]
        )
        by = (reach - starts).reshape(states, cameras, 2) * torch.tensor((2.0 / width, 2.0 / height))
        return moved.reshape(pictures.shape), by

    def _color(self, pictures: Tensor) -> Tensor:
        """What another renderer, or a camera, would make of the same light: each picture by itself."""
        gamma, saturation = self._training.gamma, self._training.saturation
        if gamma == 1.0 and saturation == 1.0:
            return pictures
        each = (*pictures.shape[:2], 1, 1, 1)
        colored = (pictures.float() / 255.0).pow(self._draw(gamma, each))
        grey = colored.mean(dim=-1, keepdim=True)
        return torch.lerp(grey, colored, self._draw(saturation, each)).clamp_(0.0, 1.0).mul_(255.0)

    def _draw(self, value: Value, shape: tuple[int, ...]) -> Tensor:
        """Many numbers at once: two million a batch, for which the counted generator of episodes is too slow."""
        if not isinstance(value, Distribution):
            return torch.full((1,) * len(shape), float(value))
        if value.normal is not None:
            mean, std = value.normal
            return torch.randn(shape, generator=self._generator).mul_(std).add_(mean)
        if value.exponential is not None:
            return torch.empty(shape).exponential_(1.0 / value.exponential, generator=self._generator)
        if value.loguniform is not None:
            low, high = torch.tensor(value.loguniform).log().tolist()
            return torch.empty(shape).uniform_(low, high, generator=self._generator).exp_()
        assert value.uniform is not None
        return torch.empty(shape).uniform_(*value.uniform, generator=self._generator)
