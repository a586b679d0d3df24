"""Errors: how a log names them."""

from __future__ import annotations

import runpy
import sys

import pytest

from ganrm_core import utils
from ganrm_core.utils import errors

PACKAGE = "/opt/ComfyUI/custom_nodes/a pack.ganrm_core.utils"


def test_a_log_names_them_without_the_path_of_the_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, PACKAGE, utils)
    module = runpy.run_path(errors.__file__, run_name=f"{PACKAGE}.errors")
    for name in ("GanRMError", "DataError", "NameTakenError", "SourceError"):
        assert module[name].__module__ == "ganrm_core.utils.errors"
