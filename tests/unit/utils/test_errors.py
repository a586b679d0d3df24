"""Errors: how a log names them."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path

import pytest

from ganrm_core import utils
from ganrm_core.utils import errors

MODULE = "/opt/ComfyUI/custom_nodes/a pack.ganrm_core.utils.errors"


def test_a_log_names_them_without_the_path_of_the_pack(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.spec_from_file_location(MODULE, Path(errors.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, MODULE.rpartition(".")[0], utils)
    monkeypatch.setitem(sys.modules, MODULE, module)
    spec.loader.exec_module(module)
    for name in ("GanRMError", "DataError", "NameTakenError", "SourceError"):
        assert getattr(module, name).__module__ == "ganrm_core.utils.errors"


def test_they_can_be_sent_between_processes() -> None:
    assert str(pickle.loads(pickle.dumps(errors.DataError("too few")))) == "too few"
