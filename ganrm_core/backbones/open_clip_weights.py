"""Recommended OpenCLIP weights, and downloading and finding them as single files in a folder.

Imports neither torch nor any other heavy library before a download.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils.errors import BackboneError, OutputError
from ..utils.files import atomic_file, check_new_file, shown
from ..utils.progress import Progress, ProgressCallback, no_progress
from .weights_cache import WEIGHT_SUFFIXES, hub_files, in_library_cache

if TYPE_CHECKING:
    from .hub_download import HubFile, HubTransfer


@dataclass(frozen=True)
class KnownWeights:
    """Recommended weights.

    `gigabytes` (10⁹ bytes) is the size of the download, text tower included. `licence` is that of the weights as
    stated in their repository.
    """

    name: str
    gigabytes: float
    licence: str = ""


KNOWN = (
    KnownWeights("open_clip:ViT-B-32/laion2b_s34b_b79k", 0.61, "MIT"),
    KnownWeights("open_clip:ViT-B-16/datacomp_xl_s13b_b90k", 0.60, "MIT"),
    KnownWeights("open_clip:ViT-L-14/datacomp_xl_s13b_b90k", 1.71, "MIT"),
    KnownWeights("open_clip:ViT-H-14/laion2b_s32b_b79k", 3.94, "MIT"),
    KnownWeights("open_clip:ViT-B-16-SigLIP/webli", 0.81, "Apache-2.0"),
    KnownWeights("open_clip:ViT-B-16-SigLIP2-256/webli", 1.50, "Apache-2.0"),
    KnownWeights("open_clip:ViT-L-16-SigLIP2-256/webli", 3.53, "Apache-2.0"),
    KnownWeights("open_clip:ViT-SO400M-16-SigLIP2-384/webli", 4.54, "Apache-2.0"),
    KnownWeights("open_clip:PE-Core-L-14-336/meta", 2.68, "Apache-2.0"),
)
"""From small to large within a family. Each is one file on the hub that needs no account."""


_NAME = re.compile(r"open_clip:([A-Za-z0-9][\w.+-]*)/([A-Za-z0-9][\w.+-]*)", re.ASCII)
_REPORT_EVERY_S = 0.1
_MB = 10**6


def is_downloaded(name: str, folders: Sequence[Path]) -> Path | None:
    """The file that `download` made for `name` directly in one of `folders`; None for any other name.

    Checks file names only.
    """
    stem = _file_stem(name)
    if stem is None:
        return None
    paths = (folder / f"{stem}{suffix}" for folder in folders for suffix in WEIGHT_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def find_weights(name: str, folders: Sequence[Path]) -> Path | None:
    """The weights of `open_clip:<model>/<tag>` in `folders` or a library's local cache. Imports OpenCLIP.

    The file that `load_backbone(name, search_folders=folders, offline=True)` reads. Raises BackboneError for other
    names and unknown tags.
    """
    from .open_clip_registry import pretrained_tag

    return is_downloaded(name, folders) or in_library_cache(pretrained_tag(name))


def download(name: str, folder: Path, progress: ProgressCallback = no_progress) -> Path:
    """Download the weights of `open_clip:<model>/<tag>` into `folder` and return the file's path.

    The file `open_clip--<model>--<tag>` is written atomically; an existing one is kept. It comes from the hub (or
    HF_ENDPOINT, if set), as .safetensors where available, and is verified against the hub's size and sha256.
    `progress` counts megabytes (10⁶ bytes) and is called in this thread several times a second, also while the
    network is silent; an exception it raises stops the download at once and leaves no file behind.

    Raises BackboneError for a name that cannot be downloaded, an unreachable hub, a missing file, a broken connection
    or damaged content; OutputError for a folder that cannot be written or has no space.
    """
    if present := is_downloaded(name, [folder]):
        return present
    from .open_clip_registry import pretrained_tag

    about = pretrained_tag(name)
    repo, names = hub_files(about)
    stem = _file_stem(name)
    if not repo or stem is None:
        raise BackboneError(f"{name} is not on the hub. To use it, {how_to_get(name, about, [folder])}")
    from .hub_download import HubTransfer

    check_new_file(folder / f"{stem}.safetensors", what=f"the weights of {name}", make_folders=True)
    report = _Report(f"downloading {name}", progress)
    instead = f"Without one, {how_to_get(name, about, [folder])}"
    with HubTransfer(name, repo, names, instead) as transfer:
        file = transfer.open(report)
        report.total = file.size
        _check_space(folder, file.size, name)
        target = folder / f"{stem}{Path(file.name).suffix}"
        with atomic_file(target) as temporary:
            _write(transfer, file, temporary, report)
            _check_readable(temporary, name)
    return target


def how_to_get(name: str, about: Mapping[str, Any], folders: Sequence[Path]) -> str:
    """Instructions, as the end of a sentence, for downloading a pretrained tag by hand."""
    repo, names = hub_files(about)
    if repo:
        what, suffixes = f"{' or '.join(names)} from huggingface.co/{repo}", [Path(n).suffix for n in names]
    else:
        what, suffixes = str(about.get("url")), [Path(str(about.get("url"))).suffix]
    if not folders:
        return f"get {what} and use {name.partition('/')[0]}/<path of that file>."
    file = f"{_file_stem(name)}{' or '.join(dict.fromkeys(suffixes))}"
    return f"get {what} and save it as {file} in {shown(folders[0])}."


def _file_stem(name: str) -> str | None:
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    # OpenCLIP takes a tag in either spelling; the file has one.
    return f"open_clip--{found[1]}--{found[2].lower().replace('-', '_')}"


class _Report:
    """Reports download progress, at most every `_REPORT_EVERY_S`."""

    def __init__(self, stage: str, progress: ProgressCallback) -> None:
        self.done = self.total = 0
        self._stage = stage
        self._progress = progress
        self._last = -math.inf

    def __call__(self) -> None:
        if time.monotonic() - self._last >= _REPORT_EVERY_S:
            self.now()

    def now(self) -> None:
        done, total = (math.ceil(count / _MB) for count in (self.done, self.total))
        self._progress(Progress(self._stage, done, total))
        self._last = time.monotonic()


def _check_space(folder: Path, size: int, name: str) -> None:
    free = size
    with contextlib.suppress(OSError):  # some network shares do not report it
        free = shutil.disk_usage(folder).free
    if free < size:
        raise OutputError(
            f"Cannot save the weights of {name} in {shown(folder)}: they take {size / 1e9:.2f} GB and the "
            f"disk has {free / 1e9:.2f} GB left. Free some space, or choose a smaller backbone."
        )


def _write(transfer: HubTransfer, file: HubFile, path: Path, report: _Report) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as writer:
        for chunk in transfer.chunks(report):
            writer.write(chunk)
            digest.update(chunk)
            report.done += len(chunk)
    if report.done != file.size or digest.hexdigest() != (file.sha256 or digest.hexdigest()):
        raise BackboneError(
            f"{file.name} arrived damaged: its content is not what the hub announced. Nothing was kept. "
            "Try again; if it repeats, a proxy or virus scanner changes files on their way."
        )
    report.now()


def _check_readable(path: Path, name: str) -> None:
    if path.suffix != ".safetensors":
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np"):
            pass
    except SafetensorError as error:
        raise BackboneError(
            f"What the hub holds as {name} is no safetensors file ({error}). Nothing was kept. Choose "
            "another backbone."
        ) from error
