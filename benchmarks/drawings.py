"""False alarms of the leak audit on drawings: python benchmarks/drawings.py [kind …] [--count 60] [--splits 20] [--train]

Drawings, icons, line art, product shots and screenshots (`ganrm_core/synthetic/drawings.py`), PNGs with plain margins.

  framed     share of images in which a border is detected
  alarms     audit warnings over random splits, where any warning is false
  with a taste: the AUC of compression, borders and bytes per pixel, what the audit warns of, and what
             `--neutralise auto` neutralises: the right answer is nothing
  AUC        with --train: of models trained on `count` a class with `auto` and with `off`, on as many never seen

Seeds differ from those the thresholds were chosen on.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ganrm_core.data.image_io import read_image
from ganrm_core.data.near_duplicates import group_near_duplicates, signature
from ganrm_core.data.splits import IntArray
from ganrm_core.leakage.audit.audit import Audit, audit_files
from ganrm_core.leakage.forensics.file_stats import FileStats, file_stats
from ganrm_core.leakage.neutralisation import make_neutraliser
from ganrm_core.metrics.binary import auc
from ganrm_core.synthetic.drawings import KINDS, draw_folder
from ganrm_core.training.config import TrainingSettings
from ganrm_core.training.trainer import train

FIRST_SEED = 100_000
SHOWN = ("compression", "borders", "bytes per pixel")


def main() -> None:
    parser = argparse.ArgumentParser(description="What the audit and training make of drawings.")
    parser.add_argument("kinds", nargs="*", help=f"of {', '.join(KINDS)}; all of them if none is named")
    parser.add_argument("--count", type=int, default=60, help="pictures a class (default 60)")
    parser.add_argument("--splits", type=int, default=20, help="random splits of each kind (default 20)")
    parser.add_argument("--train", action="store_true", help="train on the taste as well")
    parser.add_argument("--threads", type=int, default=2, help="(default 2)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for kind in options.kinds or KINDS:
        with tempfile.TemporaryDirectory() as folder:
            _one_kind(kind, Path(folder), options.count, options.splits)
            if options.train:
                print(f"  held-out AUC: {_trained(kind, Path(folder), options.count)}", flush=True)


def _one_kind(kind: str, home: Path, count: int, splits: int) -> None:
    seeds = range(FIRST_SEED, FIRST_SEED + 4 * count)
    paths = draw_folder(home / "all", kind, {seed: bool(seed % 2) for seed in seeds})
    images = [read_image(path) for path in paths]
    facts = [file_stats(path, image) for path, image in zip(paths, images, strict=True)]
    groups = group_near_duplicates(np.stack([signature(image) for image in images]))
    framed = np.mean([any(one.border) for one in facts])
    alarms = _alarms(facts, groups, count, splits)
    print(f"{kind}: framed {framed:.2f}, alarms in {splits} splits: {dict(alarms) or 0}", flush=True)
    labels = np.arange(len(facts)) % 2
    audit = audit_files(facts, labels, groups)
    metrics = ", ".join(f"{one.name} {one.auc}" for one in audit.families if one.name in SHOWN)
    evened = make_neutraliser("auto", audit, facts, labels).families
    print(
        f"  with a taste: {metrics}\n  warned of: {_named(audit)}; evened out: {evened or 'nothing'}",
        flush=True,
    )


def _alarms(facts: Sequence[FileStats], groups: IntArray, count: int, splits: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in range(splits):
        chosen = np.random.default_rng(seed).permutation(len(facts))[: 2 * count]
        audit = audit_files([facts[i] for i in chosen], np.arange(2 * count) % 2, groups[chosen], seed=seed)
        found.update(family.name for family in audit.families if family.separates)
    return found


def _named(audit: Audit) -> str:
    return ", ".join(family.name for family in audit.families if family.separates) or "nothing"


def _trained(kind: str, home: Path, count: int) -> str:
    test = range(FIRST_SEED + 4 * count, FIRST_SEED + 6 * count)
    unseen = draw_folder(home / "test", kind, {seed: bool(seed % 2) for seed in test})
    labels = np.array([seed % 2 for seed in test])
    for liked, name in ((True, "liked"), (False, "ordinary")):
        seeds = range(FIRST_SEED + liked, FIRST_SEED + 2 * count, 2)
        draw_folder(home / name, kind, dict.fromkeys(seeds, liked))
    metrics = []
    for mode in ("auto", "off"):
        result = train(home / "liked", home / "ordinary", TrainingSettings(neutralise=mode))
        logits = np.array([float(scores.logit) for _, scores in result.model.score_files(unseen, [])])
        metrics.append(f"{mode} {auc(logits, labels):.3f}")
    return ", ".join(metrics)


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    print(f"{time.perf_counter() - started:.0f} s")
