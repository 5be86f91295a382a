import msgspec
import pytest
from drawn_hand import draw_hand, record

from dexctl.calibrate.fingers import fingers
from dexctl.profile.load import load


@pytest.fixture(scope="session")
def profile():
    return load("block-paper", ["physics.threads=1"], {}).profile


@pytest.fixture(scope="session")
def drawn(profile):
    """A hand that no fitter is shown."""
    return draw_hand(profile.hand, 0)


@pytest.fixture(scope="session")
def ring():
    return fingers(("rf",))


@pytest.fixture(scope="session")
def motion(profile, drawn, ring):
    return record(msgspec.structs.replace(profile, hand=drawn), tuple(ring))
