"""The logger `ganrm`: its names, and that a host does not see more than warnings."""

from __future__ import annotations

import logging

import pytest

from ganrm_core.utils.logs import logger_of


def test_names_are_those_of_the_modules_and_a_host_gets_warnings_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logger_of("/opt/custom_nodes/a pack.ganrm_core.training.trainer")
    assert logger is logger_of("ganrm_core.training.trainer")
    assert logger.name == "ganrm.training.trainer"
    with caplog.at_level(logging.DEBUG):  # of the root logger, as ComfyUI sets it
        logger.info("read 3 pictures")
        logger.warning("no cache")
    assert caplog.messages == ["no cache"]
