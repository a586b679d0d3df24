"""Training a LoRA inside ComfyUI: the same picture afterwards, right gradients, and nothing left in the model."""

from __future__ import annotations

import math
from typing import Any

import pytest
from host_support.in_process import Ran, run_scenarios
from host_support.install import ComfyUI

EXACT = 1e-5


@pytest.fixture(scope="module")
def ran(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_scenarios(comfyui, "lora_training", tmp_path_factory.mktemp("lora_training"))


@pytest.mark.parametrize(
    "model",
    ["flow", "flux", "eps_all_layers", "on_top_of_a_lora"],
)
def test_cores_loader_makes_the_picture_of_the_training(ran: Ran, model: str) -> None:
    found = ran[f"same_picture_{model}"]
    assert found["loaded"] < EXACT < 0.01 < found["trained"]
    assert found["finite"]
    assert found["base"] == 0


def test_trains_on_top_of_a_lora_around_the_layers(ran: Ran) -> None:
    found = ran["on_top_of_a_lora_around_the_layers"]
    if not found:
        pytest.skip("this ComfyUI loads no LoRA around the layers")
    assert found["loaded"] < EXACT < 0.01 < found["trained"]
    assert found["before and after"] == 0


@pytest.mark.parametrize(
    ("how", "raised"),
    [
        ("success", ""),
        ("cancel", "InterruptProcessingException"),
        ("newer_cancel", "Cancelled"),
        ("error_in_the_backward_pass", "ValueError"),
        ("out_of_memory", "OutOfMemoryError"),
        ("out_of_memory_while_loading", None),
    ],
)
def test_the_model_is_what_it_was(ran: Ran, how: str, raised: str | None) -> None:
    assert_untouched(ran[f"after_{how}"], raised)


def test_weights_want_gradients_again(ran: Ran) -> None:
    assert_untouched(ran["with_weights_that_want_gradients"], "")


def assert_untouched(found: dict[str, Any], raised: str | None) -> None:
    assert found.get("raised") == raised
    assert found["changed"] == found["forwards"] == []
    assert found["latent"] == 0


def test_the_reference_is_the_base(ran: Ran) -> None:
    found = ran["reference_is_the_base"]
    assert found["base"] == found["wanting"] == 0
    assert found["trained"] > 0.01


def test_a_batch_has_one_prompt(ran: Ran) -> None:
    found = ran["prompts_stay_apart"]
    assert found["alone"] < EXACT
    assert min(found["other"], found["negative"]) > 0.01


def test_gradients_are_the_slope_of_the_loss(ran: Ran) -> None:
    found = ran["gradients_are_the_slope"]
    assert found["gradient"] == pytest.approx(found["difference"], rel=0.01)
    assert abs(found["gradient"]) > 1e-3


def test_checkpointing_changes_no_gradient(ran: Ran) -> None:
    found = ran["checkpointing_changes_nothing"]
    assert (found["flow"]["blocks"], found["eps"]["blocks"]) == (2, 15)
    assert max(each["difference"] for each in found.values()) < EXACT


def test_a_block_computed_again_sees_what_it_saw_first(ran: Ran) -> None:
    forward, backward = ran["patches_see_the_same_block_twice"]
    assert forward
    assert sorted(backward) == sorted(forward)


def test_a_block_may_write_into_its_inputs(ran: Ran) -> None:
    assert ran["blocks_that_write_into_their_inputs"] == 0


def test_weights_in_main_memory_are_copied_again_for_the_backward_pass(ran: Ran) -> None:
    assert ran["offloaded_layers_are_recomputed"] == {"difference": 0, "computed": 2}


def test_float16_gradients_do_not_vanish(ran: Ran) -> None:
    found = ran["float16_gradients"]
    assert found["cosine"] > 0.999
    assert math.isclose(found["size"], 1, rel_tol=0.02)
    assert found["float32"]


def test_others_may_use_the_model_between_steps(ran: Ran) -> None:
    found = ran["used_by_others_in_between"]
    assert found["rollout"] == found["after base"] == found["clone"] == 0
    assert max(found["base"], found["after unload"]) < EXACT < 0.01 < found["differs"]


def test_layers_that_never_run_are_named_and_left_out(ran: Ran) -> None:
    found = ran["layers_that_never_run"]
    assert [name.rpartition(".")[2] for name in found["never"]] == ["unused"]
    assert found["saved"] == []
    assert found["others"] == 3 * 7


def test_the_state_comes_back(ran: Ran) -> None:
    found = ran["state_comes_back"]
    assert found["back"] == 0
    assert found["moved"] > 0.01


def test_the_models_own_noise_schedule_is_used(ran: Ran) -> None:
    assert ran["patched_schedule"] == {"inside": 7, "outside": 3}


def test_the_seed_makes_the_start(ran: Ran) -> None:
    assert ran["another_seed_another_start"] == {"same": True, "other": False}
