"""Gradients of models that overwrite what their backward pass needs (Flux), in ComfyUI's own Python."""

from __future__ import annotations

import pytest
from host_support.in_process import Ran, run_scenarios
from host_support.install import ComfyUI

EXACT = 1e-4
SENTENCE = "in a way that nothing can be learned through"


@pytest.fixture(scope="module")
def ran(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_scenarios(comfyui, "overwriting_models", tmp_path_factory.mktemp("overwriting_models"))


def test_flux_has_the_right_gradients_with_and_without_checkpointing(ran: Ran) -> None:
    found = ran["flux_gradients"]
    assert found["difference"] < EXACT
    assert found["gradient"] == pytest.approx(found["slope"], rel=0.01)
    assert abs(found["gradient"]) > 0.1


def test_a_block_that_writes_into_what_it_has_read(ran: Ran) -> None:
    assert max(ran["residual_block"].values()) < EXACT


def test_what_copies_do_not_help_is_refused(ran: Ran) -> None:
    assert SENTENCE in ran["spoilt_block"]


def test_kernels_without_a_backward_pass_are_avoided_or_refused(ran: Ran) -> None:
    found = ran["kernel_without_backward"]
    assert SENTENCE in found["said"]
    assert found["during"]
    assert not found["after"]
