"""Rewards from published networks by name and local files, as the command line and combination files write them.

    pickscore:FOLDER                     hps:FILE              image-reward:FILE
    laion:HEAD,ENCODER                   aesthetic-v2.5:HEAD,ENCODER
    prompt-fit:MODEL                     a CLIP or SigLIP folder, or open_clip:ARCHITECTURE/FILE
    prompt-fit:VISION,TEXT               a CLIP in two files
    prompt-fit-pickscore:…               the same by PickScore's formula
    vision-language:FOLDER               a chat model, asked about quality; also vision-language-fit (prompt fit) and
                                         vision-language-aesthetics

Nothing is downloaded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ..backbones.base import sha256_of_files
from ..backbones.weights_lookup import find_file, find_folder, in_folders
from ..utils.errors import BackboneError, DataError
from ..utils.files import shown
from .local_weights import weights_files

if TYPE_CHECKING:
    from .network_reward import NetworkReward, OneNetwork
    from .vision_language.reward import VisionLanguageReward

JUDGE_KINDS = {
    "laion": "LAION aesthetic v2",
    "aesthetic-v2.5": "Aesthetic predictor v2.5",
    "pickscore": "PickScore v1",
    "hps": "HPS v2.1",
    "image-reward": "ImageReward",
}
"""Names of `known.judges.JUDGES` by kind."""
PROMPT_FIT_KINDS = {"prompt-fit": "similarity", "prompt-fit-pickscore": "pickscore"}
"""Formulas of `prompt_fit.reward.Formula` by kind."""
CHAT_KINDS = {
    "vision-language": "quality",
    "vision-language-fit": "prompt fit",
    "vision-language-aesthetics": "aesthetics",
}
"""Instructions of `vision_language.wording.INSTRUCTIONS` by kind."""
KINDS = (*JUDGE_KINDS, *PROMPT_FIT_KINDS, *CHAT_KINDS)

_IN_TWO_FILES = ("laion", "aesthetic-v2.5", *PROMPT_FIT_KINDS)
_OPEN_CLIP = "open_clip:"
_CONFIG = "config.json"
_KIND = re.compile(r"([a-z][a-z0-9.-]+):(.+)", re.DOTALL)


@dataclass(frozen=True)
class NetworkSpec:
    """`kind`: one of `KINDS`. `files`: weights, or a `transformers` folder. `architecture`: OpenCLIP's name of it, or ""."""

    kind: str
    files: tuple[Path, ...]
    architecture: str = ""

    def __str__(self) -> str:
        model = f"{_OPEN_CLIP}{self.architecture}/" if self.architecture else ""
        return f"{self.kind}:{model}{','.join(map(str, self.files))}"

    def sha256(self) -> str:
        """Of the content of all weights (hex)."""
        return sha256_of_files([weights for file in self.files for weights in _weights(file)])

    def found(self, folders: Sequence[Path]) -> NetworkSpec:
        """With the paths that the files have here, or in `folders`. Raises BackboneError for one that is absent."""
        return NetworkSpec(self.kind, tuple(_found(file, folders) for file in self.files), self.architecture)

    def load(self, folders: Sequence[Path] = (), device: torch.device | str = "cpu") -> OneNetwork:
        """The reward, on `device`; relative files are looked up in `folders` too. Raises BackboneError, DataError."""
        spec = self.found(folders)
        reward = spec._reward()
        reward.network.to(device)
        return reward

    def _reward(self) -> OneNetwork:
        if self.kind in JUDGE_KINDS:
            return self._judge()
        return self._chat_model() if self.kind in CHAT_KINDS else self._prompt_fit()

    def _judge(self) -> NetworkReward:
        from .known.judges import judge_named

        judge = judge_named(JUDGE_KINDS[self.kind])
        first, *encoder = self.files
        if judge.predictor is not None and not encoder:
            raise DataError(
                f"{judge.name} needs a vision encoder besides: {judge.predictor.encoder}. Write its file behind a comma, as in "
                f"{self.kind}:{first.name},ENCODER."
            )
        return judge.load(first, encoder[0] if encoder else None)

    def _prompt_fit(self) -> NetworkReward:
        from .prompt_fit.loading import load_pair
        from .prompt_fit.reward import Formula, PromptFit

        first, *text = map(str, self.files)
        name = f"{_OPEN_CLIP}{self.architecture}/{first}" if self.architecture else first
        formula: Formula = "pickscore" if self.kind == "prompt-fit-pickscore" else "similarity"
        return PromptFit(load_pair(name, text[0] if text else ""), formula)

    def _chat_model(self) -> VisionLanguageReward:
        from .vision_language.loading import load_chat_model
        from .vision_language.reward import VisionLanguageReward
        from .vision_language.wording import INSTRUCTIONS, Wording

        (folder,) = self.files
        wording = Wording(INSTRUCTIONS[CHAT_KINDS[self.kind]])
        return VisionLanguageReward(
            load_chat_model(folder), wording, name=f"{folder.name} {CHAT_KINDS[self.kind]}"
        )


def network_spec(text: str, path_of: Callable[[str], Path] = Path) -> NetworkSpec | None:
    """Parse KIND:FILES; None for a text that names no kind, such as a path.

    `path_of` makes a path of what stands between the commas. Raises DataError where nothing follows, and for a kind
    written slightly wrong.
    """
    match = _KIND.fullmatch(text)
    if match is None or match[1] not in KINDS:
        _check_spelling(text)
        return None
    kind, rest = match.groups()
    architecture = ""
    if kind in PROMPT_FIT_KINDS and rest.startswith(_OPEN_CLIP):
        architecture, _, rest = rest.removeprefix(_OPEN_CLIP).partition("/")
    names = [rest]
    if kind in _IN_TWO_FILES and not architecture and "," in rest and not path_of(rest).exists():
        names = list(rest.rpartition(",")[::2])
    if not all(name.strip() for name in names):
        raise DataError(f"{text} names no file. Write {kind}:FILE.")
    return NetworkSpec(kind, tuple(path_of(name) for name in names), architecture)


def _check_spelling(text: str) -> None:
    kind, colon, rest = text.partition(":")
    bare = kind if colon else text
    near = get_close_matches(bare, KINDS, n=1, cutoff=0.75)
    if bare in KINDS and not rest and not Path(text).exists():
        raise DataError(f"{bare} needs its local file: write {bare}:FILE, as docs/rewards.md lists them.")
    if colon and rest and len(kind) > 1 and near and not Path(text).exists():
        raise DataError(f"There is no kind of reward {kind!r}. Did you mean {near[0]}:{rest}?")


def _found(path: Path, folders: Sequence[Path]) -> Path:
    name = str(path)
    found = find_folder(name, folders, _CONFIG) or find_file(name, folders)
    if found is None:
        raise BackboneError(
            f"There is no file or model folder {shown(path)}{in_folders(folders)}. Check the path; nothing is downloaded."
        )
    return found


def _weights(file: Path) -> tuple[Path, ...]:
    return weights_files(file) if file.is_dir() else (file,)
