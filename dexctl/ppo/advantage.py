"""Generalized advantage estimation (appendix A.2)."""

from __future__ import annotations

import torch
from torch import Tensor

# T time, N environments.


def generalized_advantage(
    reward_TN: Tensor,
    value_TN: Tensor,
    final_value_N: Tensor,
    terminal_TN: Tensor,
    timeout_TN: Tensor,
    discount: float,
    gae_lambda: float,
) -> Tensor:
    """Advantages of segments that may hold the ends of several episodes.

    A_t = delta_t + discount * lambda * A_{t+1}, with delta_t = r_t + discount * V_{t+1} - V_t; neither
    the value nor the advantage crosses an episode's end. Where an episode was cut by a timeout rather
    than ended, the return goes on with V_t in place of the unseen V_{t+1}.

    Args:
        value_TN: of the states acted in; final_value_N: of the state after the last step.
        terminal_TN: bool, the step ended its episode (timeouts too).
        timeout_TN: bool, the end is to be bootstrapped.

    Returns:
        (T, N); the value targets are these plus ``value_TN``.
    """
    going_on = (~terminal_TN).to(value_TN.dtype)
    next_value = torch.cat((value_TN[1:], final_value_N[None]))
    following = going_on * next_value + timeout_TN.to(value_TN.dtype) * value_TN
    delta = reward_TN + discount * following - value_TN
    advantage = torch.empty_like(delta)
    last = torch.zeros_like(final_value_N)
    for t in range(len(delta) - 1, -1, -1):
        last = delta[t] + discount * gae_lambda * going_on[t] * last
        advantage[t] = last
    return advantage
