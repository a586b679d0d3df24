"""GAN-RM: a reward model trained to tell liked pictures from ordinary ones (arXiv 2506.13846)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import GanRMError
    from .picking import BestOfN, best_of_n
    from .reward import Reward, Scores
    from .reward_model import RewardModel
    from .training import TrainingResult, train
    from .training_config import TrainingSettings

# Imported on first use: importing the package must not cost the import of torch. No module may be
# called like a name here, since once imported it would stand in the name's place.
_HOME = {
    "BestOfN": ".picking",
    "GanRMError": ".errors",
    "Reward": ".reward",
    "RewardModel": ".reward_model",
    "Scores": ".reward",
    "TrainingResult": ".training",
    "TrainingSettings": ".training",
    "best_of_n": ".picking",
    "train": ".training",
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
