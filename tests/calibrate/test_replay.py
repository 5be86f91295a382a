import numpy as np
import torch

from dexctl.calibrate.parameters import HandNumbers, numbers_of
from dexctl.calibrate.replay import Replay
from dexctl.calibrate.residuals import FingerError
from dexctl.calibrate.windows import cut
from dexctl.randomize.action import Backlash
from dexctl.scene import names

STEPS = 13


def some_windows(profile, motion, parts):
    return cut(motion, np.ones(motion.angles_rad.shape, bool), profile.calibrate, 0.08, parts)


def test_the_hand_that_was_recorded_repeats_its_recording(profile, drawn, motion, ring):
    windows = some_windows(profile, motion, ring)
    replay = Replay(profile, 64)
    simulated = replay.windows(motion, numbers_of(drawn), windows.starts, windows.steps)[0]
    error = np.rad2deg(simulated[:, -1] - motion.angles_rad[windows.starts + windows.steps])
    assert np.sqrt(np.square(error).mean()) < 0.1


def test_a_finger_alone_on_the_palm_moves_as_on_the_whole_hand(profile, drawn, motion, ring):
    windows = some_windows(profile, motion, ring)
    which = np.flatnonzero(windows.moving["rf"])
    found = [
        FingerError(Replay(profile, 64, alone), motion, windows, ring[0], which)(numbers_of(drawn))
        for alone in ("rf", "")
    ]
    assert np.rad2deg(np.sqrt(np.square(found[0] - found[1])[:, :, -1].mean())) < 0.3


def test_the_stiff_hand_on_the_wrist_has_two_joints_and_two_actuators(profile):
    replay = Replay(profile, 2, "wrist")
    assert replay.physics.qpos.shape[1] == 2
    assert [names.JOINTS[joint] for joint in replay.joints] == ["WRJ1", "WRJ0"]


def test_a_window_does_not_depend_on_the_batch_it_is_in(profile, motion, drawn):
    both = HandNumbers(
        *(
            np.concatenate((getattr(numbers_of(drawn), name), getattr(numbers_of(profile.hand), name)))
            for name in ("joints", "actuators")
        )
    )
    starts = np.arange(0, 5 * STEPS, STEPS)
    one, many = (Replay(profile, count, "rf").windows(motion, both, starts, STEPS) for count in (3, 10))
    assert np.array_equal(one, many)


def test_slack_is_where_the_trainings_own_backlash_leaves_it(profile, motion):
    replay = Replay(profile, 2, "rf")
    numbers = numbers_of(profile.hand)
    mine = HandNumbers(numbers.joints[:, replay.joints], numbers.actuators[:, replay.actuators])
    actions = motion.actions[:, replay.actuators]
    found = replay._slack(with_actions(motion, actions), mine, np.array([40]))[0, 0]
    theirs = Backlash(profile.randomize.unmodeled.backlash, [(0.0, 0.0)] * len(replay.actuators), 0.08, 1)
    theirs.speed[:] = torch.exp(torch.from_numpy(mine.actuators[0, :, 2:])).clamp_min(
        profile.randomize.unmodeled.backlash.slowest_per_s
    )
    for action in actions[:40]:
        theirs.apply(torch.zeros(1, dtype=torch.int64), torch.from_numpy(action)[None])
    assert torch.allclose(found, theirs.slack[0], atol=1e-12)


def with_actions(motion, actions):
    return type(motion)(motion.angles_rad, motion.velocities_rad_s, actions)


def test_a_hand_that_cannot_be_stepped_loses_and_stops_nothing(profile, motion):
    numbers = numbers_of(profile.hand)
    broken = HandNumbers(numbers.joints.copy(), numbers.actuators.copy())
    broken.joints[0, :, 0] = -50.0
    simulated = Replay(profile, 2, "rf").windows(motion, broken, np.array([0]), STEPS)
    assert np.isnan(simulated[0, 0, -1]).any()
