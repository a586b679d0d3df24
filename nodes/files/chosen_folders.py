"""Lists the images of a folder chosen in a combo widget, with errors that name the folder as the widget does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...ganrm_core.data.image_folder import find_images
from ...ganrm_core.utils.error_text import printable
from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.files import is_there, shown
from ..host import folders


def pictures_in(choice: str, recursive: bool, say: Callable[[str], None] | None = None) -> list[Path]:
    """`find_images` in the folder of a combo's `choice`. Raises DataError with both the choice and the real path."""
    home = folders.resolve_folder(choice)
    if not is_there(home):
        raise DataError(
            f"There is no folder {shown(choice)} ({printable(str(home))}). Make it and put pictures in, or choose another; "
            "press R on the page to refresh the list."
        )
    try:
        return find_images(home, recursive=recursive, say=say)
    except DataError as error:
        raise DataError(
            str(error).replace(shown(home), f"{shown(choice)} ({printable(str(home))})")
        ) from error
