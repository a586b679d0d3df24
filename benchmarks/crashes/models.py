"""Training with `ganrm train`, and saving models under a name that is taken."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from .scenario import Scenario, command, digest, visible

_NAME = "taste.safetensors"


class Training(Scenario):
    """`ganrm train` with a feature cache and `--keep-features`; afterwards there is a whole model or none."""

    name = "ganrm train"

    def prepare(self, folder: Path) -> None:
        (folder / "models").mkdir()
        (folder / "cache").mkdir()

    def run(self, folder: Path) -> None:
        os.environ["GANRM_CACHE"] = str(folder / "cache")
        made = self.materials
        model = folder / "models" / _NAME
        if model.exists():  # the one before was killed after its work: a user uses the model
            return
        sets = ("--liked", made.liked, "--ordinary", made.ordinary)
        how = ("--backbone", f"file:{made.backbone}", "--views", "2", "--second-look", "none")
        command("train", *sets, *how, "--output", model, "--keep-features")
        self.journal.say("trained")

    def faults(self, folder: Path) -> list[str]:
        found = visible(folder / "models")
        faults = [
            f"{path.name} is no whole model"
            for path in found
            if not _loads(path, self.materials.backbone.parent)
        ]
        if self.journal.lines() and [path.name for path in found] != ["taste.features.safetensors", _NAME]:
            faults.append("the model was reported, and is not there")
        return faults

    def unfinished(self, folder: Path) -> list[str]:
        model = folder / "models" / _NAME
        return [*self.faults(folder), *([] if model.exists() else ["there is no model"])]


class Saving(Scenario):
    """What Save GAN-RM does with "replace", and `ganrm train` with a name that is taken: no version is ever lost."""

    name = "saving models"
    _VERSIONS = 12

    def prepare(self, folder: Path) -> None:
        (folder / "models").mkdir()

    def run(self, folder: Path) -> None:
        from ganrm_core.training.model_versions import write_replacing
        from ganrm_core.utils.files import write_new_file

        path = folder / "models" / _NAME
        first = len(self.journal.lines())
        for number in range(first, first + self._VERSIONS):
            save: Callable[[Path, bytes], object] = write_new_file if number % 3 == 2 else write_replacing
            save(path, self._version(number))
            self.journal.say(str(number))

    def faults(self, folder: Path) -> list[str]:
        done = len(self.journal.lines())
        found = {digest(path): path for path in visible(folder)}
        known = {hashlib.sha256(self._version(number)).hexdigest(): number for number in range(done + 1)}
        faults = [f"{path.name} is half a model" for content, path in found.items() if content not in known]
        kept = {known[content] for content in found if content in known}
        faults += [f"version {number} is lost" for number in range(done) if number not in kept]
        if done and not (folder / "models" / _NAME).exists():
            faults.append(f"nothing has the name {_NAME} any more")
        return faults

    def unfinished(self, folder: Path) -> list[str]:
        return self.faults(folder)

    def _version(self, number: int) -> bytes:
        return self.materials.model.read_bytes() + b"%d" % number * 100


def _loads(path: Path, backbones: Path) -> bool:
    from ganrm_core.rewards.discriminator.reward_model import RewardModel
    from ganrm_core.training.feature_archive import SUFFIX, read_features

    model = path.with_name(_NAME)
    try:
        loaded = RewardModel.load(model, search_folders=[backbones], offline=True)
        return not path.name.endswith(SUFFIX) or read_features(model, loaded) is not None
    except Exception:
        return False
