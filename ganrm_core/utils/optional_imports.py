"""Optional dependencies: the error message where a package cannot be imported.

Packages are imported where they are used, and any exception is caught there: ImportError where one is missing, others
where its version conflicts or a shared library is missing.
"""

from __future__ import annotations

import getpass
import os
import sys


def cannot_import(who: str, package: str, error: Exception, install: str, instead: str = "") -> str:
    """Error message: `who` needs `package`; pip can `install` it, or do `instead`."""
    lines = str(error).strip().splitlines()
    why = (lines[0] if lines else type(error).__name__).rstrip(".")
    advice = f"Install it with: pip install {install}"
    lacking = getattr(error, "name", None)
    if lacking in sys.stdlib_module_names:  # such as _lzma, which no package has
        advice = f"This Python was built without {lacking}: use one that has it"
    return f"{who} needs {package}, which cannot be imported ({why}). {advice}{instead}."


def name_the_user() -> None:
    """Set `$USER` where the system has no name for the user, as in a container started with `--user 12345`.

    Otherwise torch's compiler raises as soon as torchvision, timm or transformers is imported.
    """
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # Python up to 3.12, 3.13, Windows
        os.environ["USER"] = "user"
