"""LoRAs to start from, what cannot be trained, and fingerprints, in ComfyUI's own Python."""

from __future__ import annotations

import pytest
from host_support.in_process import Ran, run_scenarios
from host_support.install import ComfyUI

EXACT = 1e-5
ANOTHER = "Choose a LoRA"


@pytest.fixture(scope="module")
def ran(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_scenarios(comfyui, "training_inputs", tmp_path_factory.mktemp("training_inputs"))


@pytest.mark.parametrize(
    ("lora", "ranks", "layers", "notes"),
    [
        ("own_lora", [4], 7, []),
        ("kohya_lora", [4], 7, ["text encoder part is left out"]),
        ("diffusers_lora", [9], 7, ["has rank 9, so that is used instead of 4"]),
        ("further_layers", [4], 13, ["has rank 4, so that is used instead of 8", "6 further layers"]),
    ],
)
def test_starts_where_cores_loader_would(
    ran: Ran, lora: str, ranks: list[int], layers: int, notes: list[str]
) -> None:
    found = ran[lora]
    assert found["difference"] < EXACT < 0.01 < found["does"]
    assert (found["ranks"], found["layers"]) == (ranks, layers)
    assert len(found["notes"]) == len(notes)
    assert all(words in note for words, note in zip(notes, found["notes"], strict=True))


def test_goes_on_training_a_lora(ran: Ran) -> None:
    assert ran["goes_on_training"]["moved"] > 1e-3


@pytest.mark.parametrize(
    ("lora", "words"),
    [
        ("another model", "none of its layers is in this one. Choose"),
        ("nothing", "none of its layers is in this one. Choose"),
        ("shapes", "has 64 inputs and 384 outputs, and the model 128 and 384. Choose"),
        ("outputs", "has 128 inputs and 64 outputs, and the model 128 and 384. Choose"),
        ("not finite", "not finite. Choose another"),
        ("magnitudes", "more than a plain LoRA"),
        ("another kind", "more than a plain LoRA"),
        ("biases", "Put it into the model with Load LoRA"),
    ],
)
def test_a_lora_that_does_not_fit_is_refused(ran: Ran, lora: str, words: str) -> None:
    assert words in ran["refused_loras"][lora]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("inpainting", "Train with an image model"),
        ("depth_maps", "Train with an image model"),
        ("with_hooks", "Take out the nodes that set hooks"),
        ("easycache", "Take that node out before"),
        ("context_windows", "Take that node out before"),
        ("compiled", "the LoRA can be used with it afterwards"),
        ("sound", "Train with an image model"),
        ("float8", "Start ComfyUI without that option"),
        ("streamed", "--disable-dynamic-vram"),
    ],
)
def test_a_model_that_cannot_be_trained_is_refused(ran: Ran, model: str, words: str) -> None:
    assert words in ran["refused_models"][model]


def test_videos_are_refused_and_single_frames_are_not(ran: Ran) -> None:
    found = ran["refused_latents"]
    assert found["one frame"] == ""
    assert "one frame" in found["video"]
    assert found["sound"]


@pytest.mark.parametrize(
    ("prompts", "words"),
    [
        ("none", "Connect Prompts (GAN-RM)"),
        ("negative", "Take out Apply ControlNet"),
        ("half the range", "Take out ConditioningSetTimestepRange"),
        ("control", "Take out Apply ControlNet"),
        ("gligen", "Take out GLIGEN Textbox Apply"),
        ("area", "Take out Conditioning (Set Area)"),
        ("mask", "Take out Conditioning (Set Mask)"),
        ("hooks", "Take out Cond Set Props"),
        ("unclip_conditioning", "Take out unCLIPConditioning"),
        ("clip_vision_output", "Take out the node that takes a CLIP vision output"),
        ("concat_latent_image", "Take out InpaintModelConditioning"),
        ("concat_image", "Take out SD_4XUpscale_Conditioning"),
        ("noise_concat", "Take out the image-to-video or inpainting node"),
        ("stable_cascade_prior", "Take out StableCascade_StageB_Conditioning"),
        ("vace_frames", "Take out the node that puts it in"),
        ("reference", "Take out ReferenceLatent"),
        ("half the range of CLIP", "Take out the node that sets hooks for CLIP"),
    ],
)
def test_prompts_with_more_than_text_are_refused(ran: Ran, prompts: str, words: str) -> None:
    assert words in ran["refused_prompts"][prompts]


@pytest.mark.parametrize("prompts", ["whole range", "whole range of CLIP", "strength"])
def test_options_that_change_nothing_are_not_refused(ran: Ran, prompts: str) -> None:
    assert ran["refused_prompts"][prompts] == ""


def test_a_model_that_always_sees_a_picture_is_refused(ran: Ran) -> None:
    assert "follows a given picture" in ran["seen_pictures"]


def test_a_patch_that_nothing_can_be_learned_through(ran: Ran) -> None:
    assert "Connect the model as its loader gives it" in ran["frozen_patches"]


def test_layers_are_chosen_or_a_note_says_what_was(ran: Ran) -> None:
    found = ran["notes"]
    note = "No attention layers were found by their names in this model, so all 1 linear layers are trained."
    assert found["attention"] == found["attention and mlp"] == ["diffusion_model.0", note]
    assert found["all linear"] == ["diffusion_model.0"]
    assert found["all"] == ["diffusion_model.0", "diffusion_model.1"]
    assert "no layer that a LoRA could be trained for" in found["none"][0]


@pytest.mark.parametrize(
    ("kind", "alike", "count"),
    [
        (
            "model",
            [
                "base, base loaded anew, base after sampling, base after training, base while the lora is loaded",
                "lora, lora after sampling, lora again",
                "shift, shift again",
                "patch, patch again",
                "patch with a model, patch with a model again",
            ],
            12,  # one is "": that of "too deep", and of a model in training
        ),
        ("prompt", ["one, one again"], 4),
        ("vae", ["vae, vae again"], 2),
    ],
)
def test_fingerprints(ran: Ran, kind: str, alike: list[str], count: int) -> None:
    found = ran[f"{kind}_fingerprints"]
    for names in alike:
        assert len({found[name] for name in names.split(", ")}) == 1, names
    assert len(set(found.values())) == count


def test_fingerprints_are_the_same_after_a_restart(
    ran: Ran, comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory
) -> None:
    again = run_scenarios(comfyui, "after_restart", tmp_path_factory.mktemp("after_restart"))
    assert again["model"] == ran["model_fingerprints"]["base"]
    assert again["prompt"] == ran["prompt_fingerprints"]["one"]
