"""Packages that only some of the work needs: what to say where one cannot be imported.

They are imported where they are used, and whatever an import raises is caught there: ImportError where a package is
absent, anything else where it does not fit the others or lacks a library.
"""

from __future__ import annotations

import getpass
import os
import sys


def cannot_import(who: str, package: str, error: Exception, install: str, instead: str = "") -> str:
    """That `who` needs a package which cannot be imported, and what to do: pip can `install` it, or do `instead`."""
    lines = str(error).strip().splitlines()
    why = (lines[0] if lines else type(error).__name__).rstrip(".")
    advice = f"Install it with: pip install {install}"
    lacking = getattr(error, "name", None)
    if lacking in sys.stdlib_module_names:  # such as _lzma, which no package has
        advice = f"This Python was built without {lacking}: use one that has it"
    return f"{who} needs {package}, which cannot be imported ({why}). {advice}{instead}."


def name_the_user() -> None:
    """Give a user whom the system has no name for one, for this process and those it starts.

    torch's compiler asks for it as soon as torchvision, timm or transformers are imported, and raises where there is
    none, as in a container started with `--user 12345`.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # of Python up to 3.12, of 3.13, and on Windows
        os.environ["USER"] = "user"
