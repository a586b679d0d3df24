"""What is known about a reward from a published network, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ...ganrm_core.rewards.network_reward import NetworkReward

_LEVELS = (0.25, 0.5, 0.75)


def network_info(reward: NetworkReward, files: Sequence[str], licence: str = "") -> str:
    """Name, what it reads, how its own score maps to ours, licence and files, one a line."""
    ours = [f"{reward.scale.published_at(level):.4g} gives {level:.2f}" for level in _LEVELS]
    lines = [
        reward.name,
        "It reads the prompt too." if reward.needs_prompt else "It sees the picture alone.",
        f"Its own score on the scale from 0 to 1: {', '.join(ours)}.",
        f"Licence: {licence}." if licence else "",
        f"Files: {', '.join(files)}",
    ]
    return "\n".join(filter(None, lines))
