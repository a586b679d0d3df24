"""Base class of rewards that one pretrained network gives, with the linear map from its published score to a logit."""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from ..backbones.base import freeze, sha256_of_files
from ..data.image_io import read_image, to_float
from ..data.skipped_files import Skipped
from ..data.streaming import decoders_beside, stream_files
from ..metrics.calibration import Calibration
from ..utils.progress import Progress, ProgressCallback, no_progress
from .base import Images, Reward, Scores, all_unreadable_named, checked_prompts, each_of, how_many, opened

_PROMPTS_KEPT = 256


@dataclass(frozen=True)
class PublishedScale:
    """Linear map of a published score s: logit = (s − centre) / spread, score = sigmoid(logit)."""

    centre: float
    spread: float

    def logits(self, published: Tensor) -> Tensor:
        return (published - self.centre) / self.spread

    def published(self, logits: Tensor) -> Tensor:
        """The inverse of `logits`."""
        return logits * self.spread + self.centre

    def published_at(self, score: float) -> float:
        """The published score whose calibrated score is `score`, between 0 and 1."""
        return self.centre + self.spread * math.log(score / (1 - score))


@dataclass(frozen=True)
class Identity:
    """Display name, kind ("pickscore", …) and weights files of a reward."""

    name: str
    kind: str
    files: tuple[Path, ...]

    def sha256(self) -> str:
        """Of kind and content (hex). Slow for large files at first, cached then."""
        return hashlib.sha256(f"{self.kind} {sha256_of_files(self.files)}".encode()).hexdigest()


class HasSha256(Protocol):
    def sha256(self) -> str:
        """Of everything that scores depend on (hex)."""


class OneNetwork(Reward, Protocol):
    """A reward of one network, which a host may move between devices before it scores."""

    calibration: Calibration

    @property
    def network(self) -> nn.Module:
        """It holds all weights."""

    @property
    def identity(self) -> HasSha256:
        """Of weights and settings."""

    @property
    def bytes_per_picture(self) -> int:
        """Estimated activation memory of a forward pass."""


class NetworkReward(ABC):
    """Scores pictures one by one by `network`, in float32 on whatever device it is. Follows the `Reward` protocol.

    One picture per forward pass: a score does not depend on its neighbours, not even in the last bit, and an
    exception from `progress` cancels within a picture.
    """

    needs_prompt: bool = False
    calibration = Calibration()
    """The logit is the log-odds of the score, which combinations read from it: a score near 1 has fewer digits."""

    def __init__(self, network: nn.Module, identity: Identity, scale: PublishedScale) -> None:
        freeze(network)
        self.network = network
        self.identity = identity
        self.scale = scale
        self._prompts: dict[str, Tensor] = {}

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Empty: nothing was measured on the user's own pictures."""
        return {}

    @property
    @abstractmethod
    def bytes_per_picture(self) -> int:
        """Estimated activation memory of a forward pass."""

    @abstractmethod
    def prepare(self, image: Tensor) -> Tensor:
        """One picture, float [3, H, W] in 0–1 → the network's input without batch dimension, on the CPU."""

    def read_prompt(self, prompt: str) -> Tensor:
        """One prompt → what `published` takes of it, on any device: token ids or an embedding, [1, …]."""
        raise NotImplementedError

    @abstractmethod
    def published(self, pixels: Tensor, prompt: Tensor | None) -> Tensor:
        """The published score, [1], of one prepared picture [1, …]; `prompt` is that of `read_prompt`, or None."""

    def score(
        self,
        images: Images,
        prompts: Sequence[str] | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Scores:
        """Score pictures. Raises DataError where `needs_prompt` and a prompt is absent, ImageError as `Reward` does."""
        pictures = each_of(images)
        texts = self._texts(how_many(images), prompts)
        progress(Progress("scoring", 0, len(pictures)))
        values: list[float] = []
        with all_unreadable_named(pictures):
            for picture, text in zip(pictures, texts, strict=True):
                values.append(self._value(self.prepare(opened(picture)), text))
                progress(Progress("scoring", len(values), len(pictures)))
        return self._scores(values)

    def score_files(
        self, paths: Sequence[Path], skipped: list[Skipped], prompts: Sequence[str] | None = None
    ) -> Iterator[tuple[Path, Scores]]:
        """Score files one by one, in order, decoding ahead. Raises DataError as `score` does."""
        return self._scored_files(list(paths), self._texts(len(paths), prompts), skipped)

    def _scored_files(
        self, paths: Sequence[Path], texts: Sequence[str | None], skipped: list[Skipped]
    ) -> Iterator[tuple[Path, Scores]]:
        workers = decoders_beside(self._device.type)
        prepared = stream_files(
            paths, lambda _, path: self.prepare(to_float(read_image(path))), workers=workers, skipped=skipped
        )
        for place, pixels in prepared:
            yield paths[place], self._scores([self._value(pixels, texts[place])])

    @property
    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def _texts(self, count: int, prompts: Sequence[str] | None) -> Sequence[str | None]:
        """One plain prompt per picture; None for a reward that reads none."""
        return checked_prompts(self.name, prompts, count) if self.needs_prompt else [None] * count

    def _value(self, pixels: Tensor, text: str | None) -> float:
        with torch.inference_mode():
            prompt = None if text is None else self._read(text).to(self._device)
            value = self.published(pixels.unsqueeze(0).to(self._device), prompt)
            return float(value.double().reshape(()))

    def _read(self, text: str) -> Tensor:
        """`read_prompt`, kept for the next pictures of the same prompt; each is read alone."""
        if text not in self._prompts:
            if len(self._prompts) >= _PROMPTS_KEPT:
                self._prompts.clear()
            self._prompts[text] = self.read_prompt(text).cpu()
        return self._prompts[text]

    def _scores(self, published: Sequence[float]) -> Scores:
        logit = self.scale.logits(torch.tensor(published, dtype=torch.float64))
        return Scores(logit.float(), torch.sigmoid(logit).float(), torch.zeros(len(published)))
