"""Where files may be read and written.

A shared workflow is untrusted, and the server does not check every value it is sent. So every name
is resolved here: below a folder that ComfyUI or its owner opened up, or not at all.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import folder_paths

from ...ganrm_core.data.system_folders import is_system_folder
from ...ganrm_core.rewards.discriminator.checkpoint import check_model_path
from ...ganrm_core.training.feature_archive import SUFFIX as COMPANION
from ...ganrm_core.training.model_versions import newest, series_of
from ...ganrm_core.utils.errors import CheckpointError, DataError, OutputError
from ...ganrm_core.utils.files import shown

MODELS, DATASETS, BACKBONES = "ganrm", "ganrm_datasets", "ganrm_backbones"
ALLOWED_FILE = "ganrm_folders.txt"
NEWEST_OF = "newest of "
"""Before the name of a series of models: see `model_choices`."""
_DEPTH = 3
_DOWNLOADING = (".aria2", ".part", ".crdownload", ".download", ".tmp")  # behind the whole name
_SEPARATOR = re.compile(r"[/\\]")  # both, on every system: workflows travel


def register() -> None:
    """Make our folders known to ComfyUI, keeping what extra_model_paths.yaml already named."""
    for kind, suffixes in ((MODELS, {".safetensors"}), (BACKBONES, {".safetensors"}), (DATASETS, set())):
        folder = Path(folder_paths.models_dir) / kind
        folder_paths.add_model_folder_path(kind, str(folder))
        paths, known = folder_paths.folder_names_and_paths[kind]
        folder_paths.folder_names_and_paths[kind] = (paths, {*known, *suffixes})
        # Models on a disk that cannot be written must not keep the nodes from loading.
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)


def folder_choices() -> list[str]:
    """The folders of pictures a node offers: input, output, the datasets, and those the owner listed.

    Only those that `resolve_folder` finds again: not every name that a disk holds travels through a workflow.
    """
    offered: list[tuple[str, Path]] = []
    for root, folder in _roots():
        if root != "datasets":
            offered.append((root, folder))
        offered += [(f"{root}/{name}", folder / name) for name in _subfolders(folder)]
    for folder in _allowed_folders():
        inner = (folder / name for name in _subfolders(folder, depth=1))
        offered += [(str(place), place) for place in (folder, *inner)]
    return list(dict.fromkeys(name for name, folder in offered if _is_found_again(name, folder)))


def resolve_folder(value: str) -> Path:
    """The folder a combo's value stands for. Raises DataError where it may not be read."""
    _check_text(value, "read from")
    value = unquoted(value)
    if (absolute := _allowed_path(value, "read from")) is not None:
        return absolute
    first, rest = _first_and_rest(value)
    relative = inside(rest, value, "read from")
    homes = [folder for root, folder in _roots() if root == first]
    if not homes:
        raise DataError(
            f"There is no folder {shown(value)} here. Folders are named from input/, output/ or datasets/. "
            "Make it and put pictures in, or choose another; press R on the page to refresh the list."
        )
    places = [home / relative for home in homes]
    return next((place for place in places if place.is_dir()), places[0])


def new_folder(value: str, what: str, *, default: str) -> Path:
    """Where to write below input, output or datasets; a bare name lies in `default` ("output" …).

    Raises OutputError where it may not be written to. The folder is not made.
    """
    try:
        _check_text(value, "written to")
        value = unquoted(value).strip()
        if (absolute := _allowed_path(value, "written to")) is not None:
            return absolute
        first, rest = _first_and_rest(value)
        homes = dict(reversed(_roots()))  # of several datasets folders the first
        if first not in homes:
            first, rest = default, value
        relative = inside(rest, value, "written to")
    except DataError as error:
        raise OutputError(str(error)) from error
    if first == "input":
        raise OutputError(
            f"The folder {shown(value)} is only read from. Give {what} a name below output/ or datasets/."
        )
    if relative == Path():
        raise OutputError(f"Give {what} a name.")
    return homes[first] / relative


def unquoted(value: str) -> str:
    """A path as it was meant: without the quotes that a file manager puts round what is copied as a path."""
    inner = value.strip()
    return inner[1:-1] if len(inner) > 1 and inner[0] == inner[-1] and inner[0] in "\"'" else value


def model_names() -> list[str]:
    """The reward models in models/ganrm, as a combo shows them."""
    # What a refinement needs lies beside its model, and is none itself.
    return [name for name in _whole_files(MODELS) if not name.endswith(COMPANION)]


def model_choices() -> list[str]:
    """What Load GAN-RM offers: the newest of each series, which stays the right one after training again; all files."""
    series = {_series_of(name): None for name in model_names()}
    return [*(f"{NEWEST_OF}{name}" for name in series if name), *model_names()]


def chosen_model(choice: str) -> str:
    """The file that a choice of `model_choices` stands for by now; another text as it is."""
    series = choice.removeprefix(NEWEST_OF)
    if series == choice:
        return choice
    files = {
        Path(folder_paths.get_full_path(MODELS, name) or name): name
        for name in model_names()
        if _series_of(name) == series
    }
    found = newest(files)
    return files[found] if found else choice


def _series_of(name: str) -> str | None:
    """Named alike on every system, so that a workflow made on Windows runs elsewhere."""
    path = PureWindowsPath(name) if os.name == "nt" else PurePosixPath(name)
    stem = series_of(path.stem)
    return path.with_name(stem).as_posix() if stem else None


def model_path(name: str) -> Path:
    """The file of a reward model. Raises CheckpointError that says what to get and where to put it."""
    name = chosen_model(name)
    try:
        _check_text(name, "read from")
        relative = inside(unquoted(name), name, "read from")
    except DataError as error:
        raise CheckpointError(str(error)) from error
    for folder in folder_paths.get_folder_paths(MODELS):
        if relative != Path() and (path := Path(folder) / relative).is_file():
            return path
    home = folder_paths.get_folder_paths(MODELS)[0]
    raise CheckpointError(
        f"This workflow uses the reward model {shown(name.removeprefix(NEWEST_OF))}, which is not on this machine. "
        "Train your own with Train GAN-RM and keep it with Save GAN-RM; or get the file from whoever shared the "
        f"workflow, put it into {shown(home)} and press R on the page; or choose another model."
    )


def new_model_path(name: str) -> Path:
    """Where a reward model called `name` is saved. Raises OutputError for a name that leads elsewhere."""
    try:
        _check_text(name, "written to")
        relative = inside(unquoted(name).strip(), name, "written to")
    except DataError as error:
        raise OutputError(str(error)) from error
    if relative == Path():
        raise OutputError("Give the reward model a name, such as my_taste.")
    if relative.suffix != ".safetensors":
        relative = relative.with_name(f"{relative.name}.safetensors")
    path = Path(folder_paths.get_folder_paths(MODELS)[0]) / relative
    check_model_path(path)
    return path


def backbone_folders() -> list[Path]:
    """Where backbones' weights lie: ComfyUI's vision models, and those we downloaded."""
    kinds = (BACKBONES, "clip_vision")
    return [Path(folder) for kind in kinds for folder in folder_paths.get_folder_paths(kind)]


def download_folder() -> Path:
    return Path(folder_paths.get_folder_paths(BACKBONES)[0])


def vision_files() -> list[str]:
    """The .safetensors files of models/clip_vision, as combos show them."""
    return [name for name in _whole_files("clip_vision") if name.endswith(".safetensors")]


def dataset_folder() -> Path:
    return Path(folder_paths.get_folder_paths(DATASETS)[0])


def output_folder() -> Path:
    return Path(folder_paths.get_output_directory())


def temporary_folder() -> Path:
    """Emptied by ComfyUI at its start, like its own previews."""
    folder = Path(folder_paths.get_temp_directory()) / "ganrm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def cache_folder() -> Path:
    """Outlives restarts. The two underscores keep it out of reach of the page's own file requests."""
    folder = Path(folder_paths.get_user_directory()) / "__ganrm"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def allowed_file() -> Path:
    """The owner's list of further folders, one absolute path a line."""
    return Path(folder_paths.get_user_directory()) / ALLOWED_FILE


def shown_name(folder: Path) -> str:
    """The name under which a combo offers `folder`; its path where none does."""
    for root, home in _roots():
        if folder == home or home in folder.parents:
            return (PurePosixPath(root) / folder.relative_to(home).as_posix()).as_posix()
    return str(folder)


def _whole_files(kind: str) -> list[str]:
    """The names of ComfyUI's files of a kind without those that are not complete yet."""
    return sorted(
        name
        for name in folder_paths.get_filename_list(kind)
        if not any(part.startswith(".") for part in _SEPARATOR.split(name))
        and _is_whole(Path(folder_paths.get_full_path(kind, name) or name))
    )


def _is_whole(path: Path) -> bool:
    """Whether `path` is no unfinished download: empty, or with what a download manager keeps beside it meanwhile."""
    if any(os.path.lexists(f"{path}{ending}") for ending in _DOWNLOADING):
        return False
    try:
        return path.stat().st_size > 0
    except OSError:  # a link to nowhere
        return False


def _is_found_again(choice: str, folder: Path) -> bool:
    """Whether a combo's `choice` comes back from the page as the name of just this folder, which can be listed."""
    try:
        choice.encode("utf-8")
        found = resolve_folder(choice)
    except (DataError, UnicodeEncodeError):
        return False
    return found == folder and found.is_dir() and os.access(found, os.R_OK | os.X_OK)


def _roots() -> list[tuple[str, Path]]:
    datasets = [("datasets", Path(folder)) for folder in folder_paths.get_folder_paths(DATASETS)]
    return [
        ("input", Path(folder_paths.get_input_directory())),
        ("output", output_folder()),
        *datasets,
    ]


def _subfolders(folder: Path, depth: int = _DEPTH) -> Iterator[str]:
    """Names below `folder`, links followed: whoever placed a link there owns the machine."""
    try:
        with os.scandir(folder) as listing:
            names = sorted(
                entry.name for entry in listing if not is_system_folder(entry.name) and _is_folder(entry)
            )
    except OSError:
        return
    for name in names:
        yield name
        if depth > 1:
            yield from (f"{name}/{below}" for below in _subfolders(folder / name, depth - 1))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself must not hide its neighbours
        return False


def inside(rest: str, value: str, doing: str) -> Path:
    """`rest` as a path that stays below whatever folder it is joined to; empty for that folder itself.

    Raises DataError, which names the whole `value`, where it would lead out of it on any system.
    """
    _check_text(value, doing)
    parts = [part for part in _SEPARATOR.split(rest) if part not in ("", ".")]
    if _is_absolute(rest) or any(_leads_away(part) for part in parts):
        raise DataError(
            f"The path {shown(value)} leads out of its folder, so it is not {doing}. Give a name inside the "
            "folder, without .., a drive or a slash at its beginning."
        )
    return Path(*parts)


def _allowed_path(value: str, doing: str) -> Path | None:
    """`value` as it is where it is absolute and the owner allows it; None where it is relative."""
    _check_text(value, doing)
    if not _is_absolute(value):
        return None
    path = Path(value)
    if not path.is_absolute():
        raise DataError(
            f"The path {shown(value)} is one of another machine's, so it is not {doing}. Choose a folder of this "
            "one."
        )
    if any(_leads_away(part) for whole in path.parts[1:] for part in _SEPARATOR.split(whole)):
        raise DataError(
            f"The path {shown(value)} leads out of a folder on its way, so it is not {doing}. Name the folder "
            "that it ends in, without .. on the way."
        )
    if not any(folder == path or folder in path.parents for folder in _allowed_folders()):
        raise DataError(
            f"The folder {shown(value)} lies outside ComfyUI's own, so it is not {doing} until you allow it. "
            f"If this is your own workflow, add this line to {shown(allowed_file())} (make the file if need "
            f"be): {value}"
        )
    return path


def _first_and_rest(value: str) -> tuple[str, str]:
    first, *rest = _SEPARATOR.split(value, maxsplit=1)
    return first, "".join(rest)


def _check_text(value: str, doing: str) -> None:
    """Refuse what no system takes for a path, and what would forge further lines in a message."""
    if not isinstance(value, str):
        raise DataError(f"A folder is named by text, not by {value!r}. Choose one from the list.")
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        fit = False
    else:
        fit = not any(ord(character) < 32 or ord(character) == 127 for character in value)
    if not fit:
        raise DataError(
            f"The path {shown(value)} holds characters that no folder has in its name, so it is not {doing}. "
            "Type the name again."
        )


def _is_absolute(value: str) -> bool:
    # A Windows drive or share counts on every system.
    windows = PureWindowsPath(value)
    return PurePosixPath(value).is_absolute() or bool(windows.drive) or bool(windows.root)


def _leads_away(part: str) -> bool:
    # Windows drops dots and spaces at the end of a name, and starts over at a drive amid a path.
    return not part.strip(" .") or bool(PureWindowsPath(part).drive)


def _allowed_folders() -> list[Path]:
    try:
        content = allowed_file().read_bytes()
    except OSError:
        return []
    # Windows' own shell and editor like to write UTF-16.
    utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    lines = content.decode("utf-16" if utf16 else "utf-8-sig", errors="replace").splitlines()
    entries = (line.strip().strip('"') for line in lines)
    return [
        Path(entry) for entry in entries if entry and not entry.startswith("#") and Path(entry).is_absolute()
    ]
