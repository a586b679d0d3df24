"""Making of groups: samples of each prompt, decoded and scored in rounds, kept on disk group by group."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from ...ganrm_core.post_training.groups import Group, Groups, Sampling
from ...ganrm_core.post_training.tensor_store import TensorStore
from ...ganrm_core.rewards.base import Reward
from ...ganrm_core.selection.non_finite import check_some_finite
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..display.candidates import Latent
from ..host.model_family import model_family
from ..host.progress import Live
from ..host.sampling.decoding import rough_decoder
from ..host.training.group_keys import GroupKeys
from ..host.training.prompt_set import PromptedGroups, PromptSet
from ..host.training.rollouts import Rollouts, check_vae, free_main_memory
from .group_scoring import GroupScorer, Scored
from .groups_live import GroupsLive

STAGE = "Making groups"
_SEEDS = 2**64
_OFFSETS = 2**48  # the page's own numbers are exact up to 2**53
_ROUND_BYTES = 10**9
_ROUND_PICTURES = 64


@dataclass(frozen=True)
class GroupsRequest:
    """The inputs of Make Groups. `latent`: the pictures' size; `pictures` per group; `groups`: how many."""

    model: Any
    prompts: PromptSet
    vae: Any
    reward: Reward
    latent: Latent
    seed: int
    sampling: Sampling
    pictures: int
    groups: int


@dataclass(frozen=True)
class MadeGroups:
    """The groups, and what they cost: how many pictures were `made`, only `rescored`, or `reused` from the disk.

    `lost`: why pictures have no score, by group and picture, where the reward said so. `not_kept`: why not all of it
    is on the disk for the next run; "" where it is.
    """

    groups: PromptedGroups
    made: int
    rescored: int
    reused: int
    seconds: float
    lost: dict[tuple[int, int], str]
    not_kept: str


@dataclass
class _Task:
    number: int
    prompt: int
    seeds: list[int]
    latents_key: str
    scores_key: str
    latents: Tensor | None = None
    scored: Scored | None = None
    lost: dict[int, str] = field(default_factory=dict)

    def group(self) -> Group:
        assert self.latents is not None
        assert self.scored is not None
        scored = self.scored
        return Group(
            self.prompt,
            tuple(self.seeds),
            self.latents,
            scored.logits,
            scored.scores,
            scored.uncertainty,
            scored.thumbnails,
        )


class GroupsRun:
    """One run of Make Groups. Groups of earlier runs with the same inputs are taken from `store`."""

    def __init__(self, request: GroupsRequest, store: TensorStore) -> None:
        """Raises DataError for inputs that make no groups."""
        if not len(request.prompts):
            raise DataError("There are no prompts. Write some into Prompts (GAN-RM).")
        self._request, self._store = request, store
        self._rollouts = Rollouts(request.model, request.prompts, request.sampling, request.latent)
        start = self._rollouts.start
        check_vae(request.vae, start)
        _check_memory(start, request.pictures * request.groups)
        self._keys = GroupKeys(
            request.model, request.prompts, request.vae, request.reward, request.sampling, start
        )
        self._scorer = GroupScorer(request.vae, request.reward, _together(start))
        self._live = GroupsLive(request.groups, request.pictures, rough_decoder(request.model.model))
        self._done = self._total = 0

    def draw(self, live: Live) -> Image.Image:
        return self._live.draw(live)

    def run(self, progress: ProgressCallback) -> MadeGroups:
        """`progress` may raise to cancel; what is finished is on the disk then."""
        began = time.monotonic()
        request, tasks = self._request, self._tasks()
        for task in tasks:
            self._restore(task)
            progress(Progress(STAGE, 0, 1))
        to_sample = [task for task in tasks if task.latents is None]
        to_score = [task for task in tasks if task.scored is None]
        # Decoding and scoring count as one step of sampling.
        self._total = request.pictures * (len(to_sample) * request.sampling.steps + len(to_score))
        for number, tasks_of_round in enumerate(self._rounds(to_score)):
            self._run_round(tasks_of_round, progress)
            if number == 0:
                self._check_first(tasks_of_round)
        return self._made(tasks, len(to_sample), len(to_score), time.monotonic() - began)

    def _tasks(self) -> list[_Task]:
        request, tasks = self._request, []
        for number in range(request.groups):
            turn, prompt = divmod(number, len(request.prompts))
            first = first_seed(request.seed, request.prompts.texts[prompt]) + turn * request.pictures
            seeds = [(first + i) % _SEEDS for i in range(request.pictures)]
            keys = self._keys.latents(prompt, seeds), self._keys.scores(prompt, seeds)
            tasks.append(_Task(number, prompt, seeds, *keys))
        return tasks

    def _restore(self, task: _Task) -> None:
        """Take from the disk what an earlier run has made."""
        kept = self._store.load(task.latents_key) if task.latents_key else None
        shape = (len(task.seeds), *self._rollouts.start.shape[1:])
        if kept is None or "latents" not in kept or tuple(kept["latents"].shape) != shape:
            return
        task.latents = kept["latents"]
        scores = self._store.load(task.scores_key) if task.scores_key else None
        task.scored = Scored.from_tensors(scores, len(task.seeds)) if scores else None
        if task.scored:
            self._live.finish(task.number, self._text(task), task.group())

    def _rounds(self, tasks: Sequence[_Task]) -> list[Sequence[_Task]]:
        """Groups decoded and scored together. The first is alone: what is wrong with VAE or reward shows soon."""
        size = max(1, min(_ROUND_PICTURES, self._scorer.together) // self._request.pictures)
        later = [tasks[start : start + size] for start in range(1, len(tasks), size)]
        return [tasks[:1], *later] if tasks else []

    def _run_round(self, tasks: Sequence[_Task], progress: ProgressCallback) -> None:
        for task in tasks:
            if task.latents is None:
                self._sample(task, progress)
        latents = torch.cat([task.latents for task in tasks if task.latents is not None])
        texts = [self._text(task) for task in tasks for _ in task.seeds]

        def report() -> None:
            progress(Progress(STAGE, self._done, self._total))

        scored = self._scorer.score(latents, texts, report)
        self._done += len(latents)
        start = 0
        for task in tasks:
            task.scored = scored.part(start, start + len(task.seeds))
            start += len(task.seeds)
            if task.scores_key and task.scored.is_finite():  # what is spoilt is tried again next time
                self._store.store(task.scores_key, task.scored.tensors())
            self._live.finish(task.number, self._text(task), task.group())
        report()

    def _sample(self, task: _Task, progress: ProgressCallback) -> None:
        self._live.begin(task.number, self._text(task))

        def stepped(step: Progress) -> None:
            progress(Progress(STAGE, self._done + step.done, self._total))

        task.latents = self._rollouts.sample(task.prompt, task.seeds, stepped, self._live.see)
        self._done += len(task.seeds) * self._request.sampling.steps
        if task.latents_key and bool(torch.isfinite(task.latents).all()):
            self._store.store(task.latents_key, {"latents": task.latents})

    def _check_first(self, tasks: Sequence[_Task]) -> None:
        """Raise GanRMError where nothing of the first round could be scored: the rest would go the same way."""
        scored = [task.scored for task in tasks if task.scored]
        if any(bool(torch.isfinite(each.logits).any()) for each in scored):
            return
        reasons = [reason for each in scored for reason in each.lost.values() if reason]
        if reasons:
            raise DataError(f"The reward could score none of the first group's pictures: {reasons[0]}")
        count = sum(len(each.logits) for each in scored)
        check_some_finite(range(count), count)

    def _made(self, tasks: Sequence[_Task], sampled: int, scored: int, seconds: float) -> MadeGroups:
        request, keys = self._request, self._keys
        groups = Groups(
            request.prompts.texts,
            tuple(task.group() for task in tasks),
            request.sampling,
            keys.model,
            keys.vae,
            keys.reward,
            model_family(request.model),
        )
        each = request.pictures
        lost = {
            (task.number, i): reason
            for task in tasks
            if task.scored
            for i, reason in task.scored.lost.items()
            if reason
        }
        return MadeGroups(
            PromptedGroups(groups, request.prompts),
            made=each * sampled,
            rescored=each * (scored - sampled),
            reused=each * (len(tasks) - scored),
            seconds=seconds,
            lost=lost,
            not_kept=self._not_kept(tasks),
        )

    def _not_kept(self, tasks: Sequence[_Task]) -> str:
        if not all(task.latents_key for task in tasks):
            return "the model or the prompts cannot be recognised again."
        if not all(task.scores_key for task in tasks):
            return "the reward or the VAE cannot be recognised again, so only the latents are."
        return self._store.problem

    def _text(self, task: _Task) -> str:
        return self._request.prompts.texts[task.prompt]


def first_seed(seed: int, prompt: str) -> int:
    """The first seed of a prompt's first group: it depends on nothing but the prompt, so that others may be added."""
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).digest()
    return (seed + int.from_bytes(digest[:8], "big") % _OFFSETS) % _SEEDS


def _together(start: Tensor) -> int:
    """How many decoded pictures fit into the memory of a round, about 8 × 8 pixels for each place of a latent."""
    return max(8, _ROUND_BYTES // (64 * 3 * 4 * start.shape[-1] * start.shape[-2]))


def _check_memory(start: Tensor, count: int) -> None:
    needed, free = 4 * start.numel() * count, free_main_memory()
    if needed > free:
        raise DataError(
            f"The latents of {count} pictures take {needed / 1e9:.1f} GB of memory, and {free / 1e9:.1f} GB are free. Make "
            "fewer groups."
        )
