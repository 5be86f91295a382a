"""One finger's fit as numbers: vectors in, errors out, many vectors at once."""

from __future__ import annotations

import numpy as np

from dexctl.calibrate.parameters import Layout
from dexctl.calibrate.residuals import FingerError
from dexctl.profile import schema

# B vectors, P parameters, W windows, S steps, F joints of the finger.


class Problem:
    """What a method minimises.

    Attributes:
        layout: of the vectors.
        error: of the windows that a fit may see.
        settings: of the profile.
        simulated: windows that were simulated so far.
    """

    def __init__(self, layout: Layout, error: FingerError, settings: schema.Calibrate) -> None:
        self.layout, self.error, self.settings = layout, error, settings
        self.simulated = 0

    def errors(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (B, P) to errors (B, W, S, F) rad."""
        self.simulated += len(vectors) * len(self.error.usable)
        return self.error(self.layout.hands(vectors))

    def at_end(self, vectors: np.ndarray) -> np.ndarray:
        """Vectors (B, P) to mean squares of the errors at the windows' ends, (B,) rad^2: what the paper minimises."""
        return self.mean_square_at_end(self.errors(vectors))

    def mean_square_at_end(self, errors: np.ndarray) -> np.ndarray:
        """The same of errors (B, W, S, F) rad."""
        return np.square(errors[:, :, -1]).sum(axis=(1, 2)) / max(1, self.error.usable.sum())

    def rms(self, vector: np.ndarray) -> np.ndarray:
        """(F,) root mean square over all moments of one vector (P,), not below what the sensors resolve, rad."""
        errors = self.errors(vector[None])[0]
        count = np.maximum(1, self.error.usable.sum(axis=0) * errors.shape[1])
        return np.maximum(self.settings.sensor_rad, np.sqrt(np.square(errors).sum(axis=(0, 1)) / count))

    def jacobian(self, vector: np.ndarray, step: float) -> tuple[np.ndarray, np.ndarray]:
        """Errors (W, S, F) at one vector (P,), and their derivatives (P, W, S, F), by steps away from the bounds."""
        signed = np.where(vector + step > self.layout.high, -step, step)
        found = self.errors(np.concatenate((vector[None], vector + np.diag(signed))))
        return found[0], (found[1:] - found[0]) / signed[:, None, None, None]
