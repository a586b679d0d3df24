"""GAN-RM: a reward model trained to tell liked pictures from ordinary ones (arXiv 2506.13846)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .rewards.base import Reward, Scores
    from .rewards.discriminator.reward_model import RewardModel
    from .selection.best_of_n import BestOfN, best_of_n
    from .training.config import TrainingSettings
    from .training.trainer import TrainingResult, train
    from .utils.errors import GanRMError

# Imported on first use: importing the package must not cost the import of torch. No module may be
# called like a name here, since once imported it would stand in the name's place.
_HOME = {
    "BestOfN": ".selection.best_of_n",
    "GanRMError": ".utils.errors",
    "Reward": ".rewards.base",
    "RewardModel": ".rewards.discriminator.reward_model",
    "Scores": ".rewards.base",
    "TrainingResult": ".training.trainer",
    "TrainingSettings": ".training.config",
    "best_of_n": ".selection.best_of_n",
    "train": ".training.trainer",
}

__all__ = [
    "BestOfN",
    "GanRMError",
    "Reward",
    "RewardModel",
    "Scores",
    "TrainingResult",
    "TrainingSettings",
    "best_of_n",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
