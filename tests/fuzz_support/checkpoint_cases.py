"""Fuzz cases of model files, and the checks on reading each."""

from __future__ import annotations

import contextlib
import io
import json
import math
from pathlib import Path
from random import Random

import torch

from ganrm_core.backbones.registry import load_backbone
from ganrm_core.cli import main
from ganrm_core.rewards.base import Reward
from ganrm_core.rewards.combination_file import load_reward
from ganrm_core.rewards.combined import CombinedReward
from ganrm_core.rewards.discriminator.checkpoint import load_checkpoint, read_card
from ganrm_core.rewards.discriminator.reward_model import RewardModel
from ganrm_core.training.feature_archive import SUFFIX, read_features

from .checkpoint_mutations import FileMutation, any_bytes, card, header, tensors
from .checkpoint_seeds import Seeds
from .clear_messages import tried, why_unclear
from .heard_output import heard
from .json_mutations import mutated_document
from .mutation import Case

_MUTATIONS: tuple[FileMutation, ...] = (any_bytes, header, card, card, card, card, tensors, tensors)
_PICTURES = torch.rand(2, 40, 30, 3, generator=torch.Generator().manual_seed(0))


def checkpoint_case(number: int, seeds: Seeds) -> Case:
    """Case `number`: a mutated checkpoint, combination, feature archive or backbone."""
    random = Random(f"checkpoint {number}")
    kind = random.random()
    if kind < 0.12:
        combination = json.loads((seeds.folder / seeds.combination).read_text(encoding="utf-8"))
        text, done = mutated_document(combination, random, 0.2)
        return Case(number, f"case{number:06}.json", text, (seeds.combination, *done))
    if kind < 0.24:
        name, ending = seeds.feature_archive, SUFFIX
    elif kind < 0.29:
        name, ending = seeds.backbone, ".safetensors"
    else:
        name, ending = random.choice(seeds.checkpoints), ".safetensors"
    known = (any_bytes, header) if name == seeds.backbone else _MUTATIONS
    content, done = random.choice(known)((seeds.folder / name).read_bytes(), random)
    return Case(number, f"case{number:06}{ending}", content, (name, *done))


def put(case: Case, seeds: Seeds) -> Path:
    """Write the case beside the seeds, whose backbone and parts it needs; an archive with its checkpoint."""
    path = seeds.folder / case.name
    path.write_bytes(case.content)
    if case.name.endswith(SUFFIX):
        _owner(path).write_bytes((seeds.folder / seeds.checkpoints[0]).read_bytes())
    return path


def remove(path: Path) -> None:
    """What `put` wrote."""
    path.unlink()
    _owner(path).unlink(missing_ok=True)


def checkpoint_faults(path: Path, seeds: Seeds) -> tuple[str, list[str]]:
    """How reading `path` ended ("read" or "refused"), and what was wrong with that.

    The file is read by each way in: the library's functions and `ganrm info`.
    """
    faults: list[str] = []
    with heard() as said:
        if path.name.endswith(SUFFIX):
            model = RewardModel.load(_owner(path), offline=True)
            read = tried("read_features", lambda: read_features(_owner(path), model), path, faults)
            if read is not None:
                tried("neutraliser", lambda: read.neutraliser, path, faults)
        else:
            read = tried("load_reward", lambda: load_reward(path, offline=True), path, faults)
        if path.suffix != ".json" and not path.name.endswith(SUFFIX):
            tried("load_checkpoint", lambda: load_checkpoint(path), path, faults)
            tried("load_backbone", lambda: load_backbone(f"file:{path}"), path, faults)
            tried("read_card", lambda: read_card(path), path, faults)
        if isinstance(read, Reward):
            _check_scores("its reward", read, path, faults)
        if isinstance(read, RewardModel):
            _check_scores("combined", CombinedReward([read, read], [1.0, 0.5]), path, faults)
        for options in ((), ("--json",)):
            faults += _faults_of_info(path, *options)
    return "refused" if read is None else "read", faults + said


def _check_scores(what: str, reward: Reward, path: Path, faults: list[str]) -> None:
    scores = tried(f"{what}'s score", lambda: reward.score(_PICTURES), path, faults)
    if scores is None:
        return
    metrics = torch.stack([scores.logit, scores.score, scores.uncertainty])
    if metrics.shape != (3, len(_PICTURES)) or not bool(torch.isfinite(metrics).all()):
        faults.append(f"{what}'s score: {metrics.tolist()}")
    elif not bool(((scores.score >= 0) & (scores.score <= 1)).all()):
        faults.append(f"{what}'s score beyond 0 to 1: {scores.score.tolist()}")
    if not all(isinstance(v, float) and math.isfinite(v) for v in reward.thresholds.values()):
        faults.append(f"{what}'s thresholds: {dict(reward.thresholds)!r:.200}")


def _faults_of_info(path: Path, *options: str) -> list[str]:
    """Of what `ganrm info` prints and how it ends."""
    what = " ".join(("info", *options))
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(["info", str(path), *options])
        lines = out.getvalue().splitlines()
        if options and code == 0:
            (line,) = lines
            json.loads(line, parse_constant=int)  # refuses NaN and infinities
            lines = []
    except Exception as error:
        return [f"{what}: {type(error).__name__}: {error}"]
    if code == 0:
        unclear = [line for line in lines if not line.isprintable() or len(line) > 1000]
        return [f"{what}: prints {line!r:.200}" for line in (*unclear, *err.getvalue().splitlines())]
    message = err.getvalue().removeprefix("ganrm: ").removesuffix("\n")
    why = why_unclear(message, path)
    return [f"{what}: unclear, {why}: {message!r}"] if why or lines or code != 2 else []


def _owner(archive: Path) -> Path:
    """The checkpoint that a feature archive belongs to."""
    return archive.with_name(archive.name.removesuffix(SUFFIX) + ".safetensors")
