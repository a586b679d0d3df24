"""Public API of GAN-RM: a reward model that tells liked pictures from ordinary ones (arXiv 2506.13846)."""

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

# Imported on first use, so that importing the package does not import torch. No submodule may have one of these names:
# once imported, it would replace the attribute.
_MODULE_OF = {
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
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name], __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
