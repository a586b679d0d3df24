"""What grows while the program runs: datasets, the feature cache, groups, and the state of a LoRA training."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from .processes import Journal
from .scenario import Materials, Scenario, as_module, visible

_ROOT = Path(__file__).parents[2]


class Datasets(Scenario):
    """Add to Dataset: pictures named by their content, each added once."""

    name = "adding to a dataset"
    _COUNT = 24

    def prepare(self, folder: Path) -> None:
        (folder / "likes").mkdir()

    def run(self, folder: Path) -> None:
        keep_once, _ = self._pixel_files()
        for number in range(self._COUNT):
            path, _new = keep_once(self._picture(number), folder / "likes")
            self.journal.say(path.name)

    def faults(self, folder: Path) -> list[str]:
        from PIL import Image

        _, content_name = self._pixel_files()
        faults = [
            f"{name} is lost" for name in self.journal.lines() if not (folder / "likes" / name).exists()
        ]
        for path in visible(folder):
            try:
                with Image.open(path) as picture:
                    whole = content_name(picture) == path.name
            except OSError:
                whole = False
            faults += [] if whole else [f"{path.name} is half a picture"]
        return faults

    def unfinished(self, folder: Path) -> list[str]:
        found = len(visible(folder))
        extra = [] if found == self._COUNT else [f"{found} pictures instead of {self._COUNT}"]
        return [*self.faults(folder), *extra]

    @staticmethod
    def _pixel_files() -> Any:
        as_module(_ROOT)
        from importlib import import_module

        module = import_module("pack.nodes.files.pixel_files")
        return module.keep_once, module.content_name

    @staticmethod
    def _picture(number: int) -> Any:
        import numpy as np
        from PIL import Image

        pixels = np.random.default_rng(number).integers(0, 255, (160, 160, 3), dtype=np.uint8)
        return Image.fromarray(pixels)


class FeatureCache(Scenario):
    """The cache of features in SQLite, small enough that it evicts as it goes."""

    name = "the feature cache"
    _ENTRIES, _MOST_BYTES = 150, 200_000

    def prepare(self, folder: Path) -> None:
        (folder / "cache").mkdir()

    def run(self, folder: Path) -> None:
        from ganrm_core.utils.disk_cache import FILE, DiskCache

        cache = DiskCache(folder / "cache" / FILE, self._MOST_BYTES)
        for number in range(self._ENTRIES):
            key = f"key {number}"
            if (found := cache.get(key)) is None:
                cache.put(key, self._content(number))
            elif found != self._content(number):
                raise ValueError(f"{key} is wrong")
        if cache.get(f"key {self._ENTRIES - 1}") is None:
            raise ValueError("the cache keeps nothing any more")
        cache.close()

    def faults(self, folder: Path) -> list[str]:
        from ganrm_core.utils.disk_cache import FILE, DiskCache

        path = folder / "cache" / FILE
        if not path.exists():
            return []
        cache = DiskCache(path, self._MOST_BYTES)
        wrong = [
            f"entry {number} is wrong"
            for number in range(self._ENTRIES)
            if cache.get(f"key {number}") not in (None, self._content(number))
        ]
        cache.close()
        with sqlite3.connect(path) as database:
            verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
        return wrong if verdict == "ok" else [*wrong, f"the file is damaged: {verdict}"]

    def unfinished(self, folder: Path) -> list[str]:
        return self.faults(folder)

    @staticmethod
    def _content(number: int) -> bytes:
        return b"%06d" % number * 400


class Groups(Scenario):
    """Make Groups' store: latents and scores group by group; what is kept is not made again."""

    name = "groups"
    _COUNT = 24

    def prepare(self, folder: Path) -> None:
        (folder / "groups").mkdir()

    def run(self, folder: Path) -> None:
        from ganrm_core.post_training.tensor_store import TensorStore

        store = TensorStore(folder / "groups")
        for number in range(self._COUNT):
            for kind in ("latents", "scores"):
                if store.load(self._key(kind, number)) is None:
                    if f"{kind} {number}" in self.journal.lines():
                        raise ValueError(f"the {kind} of group {number} were kept, and are gone")
                    store.store(self._key(kind, number), self._tensors(kind, number))
                    self.journal.say(f"{kind} {number}")
        if store.problem:
            raise ValueError(store.problem)

    def faults(self, folder: Path) -> list[str]:
        import torch

        from ganrm_core.post_training.tensor_store import TensorStore

        store = TensorStore(folder / "groups")
        faults, found = [], 0
        for number in range(self._COUNT):
            for kind in ("latents", "scores"):
                kept = store.load(self._key(kind, number))
                found += kept is not None
                if kept and not torch.equal(kept[kind], self._tensors(kind, number)[kind]):
                    faults.append(f"the {kind} of group {number} are wrong")
                if kept is None and f"{kind} {number}" in self.journal.lines():
                    faults.append(f"the {kind} of group {number} are lost")
        if found != len(visible(folder)):
            faults.append("there are files that cannot be read")
        return faults

    def unfinished(self, folder: Path) -> list[str]:
        found = len(visible(folder))
        return [*self.faults(folder), *([] if found == 2 * self._COUNT else [f"{found} files"])]

    @staticmethod
    def _key(kind: str, number: int) -> str:
        from ganrm_core.post_training.tensor_store import entry_key

        return entry_key(kind, number=number)

    @staticmethod
    def _tensors(kind: str, number: int) -> dict[str, Any]:
        import torch

        shape = (8, 16, 32, 32) if kind == "latents" else (8,)
        return {kind: torch.randn(shape, generator=torch.Generator().manual_seed(number))}


class LoraTraining(Scenario):
    """A LoRA trained in rounds: after a stop it goes on, and comes out the same to the last bit."""

    name = "LoRA training state"
    _KEY = "rounds"

    def __init__(self, materials: Materials, journal: Journal) -> None:
        super().__init__(materials, journal)
        self._expected = materials.folder / "expected_lora.txt"

    def prepare(self, folder: Path) -> None:
        (folder / "loras").mkdir()

    def run(self, folder: Path) -> None:
        from ganrm_core.post_training.rounds_state import packed, unpack
        from ganrm_core.post_training.tensor_store import TensorStore

        from .toy_training import toy_training

        training, store = toy_training(), TensorStore(folder / "loras")
        if (kept := store.load(self._KEY)) is not None:
            unpack(training, kept)
        elif self.journal.lines():
            raise ValueError("the state of the training was kept, and is gone")

        def observe() -> None:
            store.replace(self._KEY, packed(training))
            self.journal.say(str(len(training.trace.losses)))

        training.run(observe)
        if store.problem:
            raise ValueError(store.problem)

    def faults(self, folder: Path) -> list[str]:
        from ganrm_core.post_training.rounds_state import trace_of
        from ganrm_core.post_training.tensor_store import TensorStore

        rounds = [int(line) for line in self.journal.lines()]
        kept = TensorStore(folder / "loras").load(self._KEY)
        if kept is None:
            return ["the state is lost"] if rounds else []
        done = len(trace_of(kept).losses)
        return [f"round {max(rounds)} is lost"] if rounds and done < max(rounds) else []

    def unfinished(self, folder: Path) -> list[str]:
        from ganrm_core.post_training.tensor_store import TensorStore, tensor_hash

        faults = self.faults(folder)
        kept = TensorStore(folder / "loras").load(self._KEY) or {}
        found = "".join(tensor_hash(kept[name]) for name in sorted(kept) if name.startswith("learner/"))
        if not self._expected.exists():
            self._expected.write_text(found)
        if found != self._expected.read_text():
            faults.append("the LoRA is not that of a training that is not killed")
        return faults
