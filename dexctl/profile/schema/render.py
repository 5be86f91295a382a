"""How finely pictures for the pose estimator are drawn."""

from __future__ import annotations

from dexctl.profile.schema.kinds import Count, NonNegative, Positive, PositiveCount, Table


class Render(Table, frozen=True, kw_only=True):
    """Drawing for the pose estimator.

    Attributes:
        samples: points along each edge of a pixel whose mean it shows.
        detail_px: the hand's surface is thinned to as many pixels at the object; 0 leaves it as it is.
        shadow_px: edge of a light's shadow map.
        exposure: brightness of a white surface that faces one unit of ``light_total``.
    """

    samples: PositiveCount = 1
    detail_px: NonNegative = 0.0
    shadow_px: Count = 1024
    exposure: Positive = 0.1
