"""Pictures of a folder chosen in a node; messages name the folder as the artist chose it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...ganrm_core.data.image_folder import find_images
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.files import shown
from ..host import folders


def pictures_in(choice: str, recursive: bool, say: Callable[[str], None] | None = None) -> list[Path]:
    """`find_images` of the folder that a combo's `choice` stands for. Raises DataError that calls it so, and says where."""
    home = folders.resolve_folder(choice)
    if not home.exists():
        raise DataError(
            f"There is no folder {shown(choice)} ({home}). Make it and put pictures in, or choose another; "
            "press R on the page to refresh the list."
        )
    try:
        return find_images(home, recursive=recursive, say=say)
    except DataError as error:
        raise DataError(str(error).replace(shown(home), f"{shown(choice)} ({home})")) from error
