"""Best-of-N Sampler nodes in a real ComfyUI: exactness against KSampler, pruning, previews, Cancel, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from host_support.client import Client
from host_support.pack_prompts import best_of_n_sampler, loaded
from host_support.prompts import Json, digests, echo, echoed, node, sampling, text_to_image
from host_support.run import Run
from host_support.server import Server
from host_support.tiny_generator import CHECKPOINT, VAE
from safetensors.torch import load_file, save_file

SAMPLERS = ["euler", "euler_ancestral", "euler_cfg_pp", "heun", "dpmpp_2m", "dpmpp_2m_sde", "dpmpp_sde"]
SAMPLERS += ["uni_pc", "lcm", "ddim", "res_multistep", "er_sde", "dpm_adaptive"]
STEPS = 6
OUTPUTS = ("latents", "images", "scores", "seeds", "indices", "summary", "preview", "paths")


def graph(taste: str, sampler: str = "euler", **inputs: Any) -> Json:
    given = {"seed": 5, "steps": STEPS, "cfg": 1.5, "sampler_name": sampler, "negative": ["other", 0]}
    core = text_to_image()
    return {
        **{name: core[name] for name in ("model", "vae", "text", "empty")},
        "other": node("CLIPTextEncode", text="something else", clip=["model", 1]),
        "load": loaded(taste),
        "best": best_of_n_sampler(**{**given, **inputs}),
        "echo": echo("best", *(["best", place] for place in range(len(OUTPUTS)))),
    }


def kept(client: Client) -> Json:
    """The outputs of the sampler that ran last."""
    return {name: echoed(client, "best", place) for place, name in enumerate(OUTPUTS)}


def ran(client: Client, taste: str, sampler: str = "euler", **inputs: Any) -> Run:
    return client.run(graph(taste, sampler, **inputs)).expect_success()


def assert_exact(client: Client, prompt: Json) -> None:
    """Each latent kept is the very one that core's KSampler makes of its seed alone."""
    client.run(prompt).expect_success()
    best = kept(client)
    assert [seed - index for seed, index in zip(best["seeds"], best["indices"], strict=True)] == [5, 5]
    alone = {name: each for name, each in prompt.items() if name not in ("best", "echo", "load")}
    widgets = {name: prompt["best"]["inputs"][name] for name in (*sampling(), "negative")}
    for place, seed in enumerate(best["seeds"]):
        alone[f"alone {place}"] = node("KSampler", **{**widgets, "seed": seed})
    alone["echo"] = echo("alone", ["alone 0", 0], ["alone 1", 0])
    client.run(alone).expect_success()
    assert digests(best["latents"]) == digests([*echoed(client, "alone"), *echoed(client, "alone", 1)])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_latent_kept_is_the_one_of_its_seed(client: Client, taste: str, sampler: str) -> None:
    assert_exact(client, graph(taste, sampler, keep=2))


@pytest.mark.parametrize("kind", ["eps", "v_prediction"])
def test_models_of_other_kinds_are_exact_too(client: Client, taste: str, kind: str) -> None:
    """The tiny model is a flow; what its output is taken for can be chosen."""
    other = node("ModelSamplingDiscrete", model=["model", 0], sampling=kind, zsnr=False)
    assert_exact(
        client, {**graph(taste, "dpmpp_2m_sde", keep=2, model=["other kind", 0]), "other kind": other}
    )


def test_img2img_and_a_mask_are_exact_too(client: Client, taste: str) -> None:
    extra = {
        "sampler": text_to_image(seed=77, steps=STEPS)["sampler"],
        "mask": node("SolidMask", value=0.7, width=64, height=64),
        "start": node("SetLatentNoiseMask", samples=["sampler", 0], mask=["mask", 0]),
    }
    prompt = graph(taste, "euler_ancestral", keep=2, latent_image=["start", 0], denoise=0.6)
    assert_exact(client, {**prompt, **extra})


def test_custom_sampling_is_exact_too(client: Client, taste: str) -> None:
    prompt = graph(taste)
    widgets = {
        name: value
        for name, value in prompt["best"]["inputs"].items()
        if name not in (*sampling(), "negative")
    }
    prompt |= {
        "noise": node("RandomNoise", noise_seed=31),
        "guider": node("CFGGuider", model=["model", 0], positive=["text", 0], negative=["other", 0], cfg=1.5),
        "method": node("KSamplerSelect", sampler_name="dpmpp_2m_sde"),
        "sigmas": node("BasicScheduler", model=["model", 0], scheduler="simple", steps=STEPS, denoise=1.0),
    }
    parts = {"noise": "noise", "guider": "guider", "sampler": "method", "sigmas": "sigmas"}
    custom = {name: [source, 0] for name, source in {**parts, "latent_image": "empty"}.items()}
    prompt["best"] = node("GANRMBestOfNSamplerCustom", **custom, **widgets)
    client.run(prompt).expect_success()
    best = kept(client)
    alone = {name: each for name, each in prompt.items() if name not in ("best", "load")}
    alone["noise"] = node("RandomNoise", noise_seed=best["seeds"][0])
    alone["alone"] = node("SamplerCustomAdvanced", **custom)
    alone["echo"] = echo("alone", ["alone", 0])
    client.run(alone).expect_success()
    assert digests(best["latents"]) == digests(echoed(client, "alone"))


@pytest.mark.parametrize("draft", ["step cache", "fewer steps"])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_after_drafts_each_latent_kept_is_still_the_one_of_its_seed(
    client: Client, taste: str, sampler: str, draft: str
) -> None:
    assert_exact(client, graph(taste, sampler, n=5, keep=2, steps=8, draft=draft, draft_strength="strong"))
    assert "5 drafted with" in kept(client)["summary"][0]


def test_drafts_of_img2img_with_a_mask_share_calls_and_are_exact(client: Client, taste: str) -> None:
    extra = {
        "sampler": text_to_image(seed=77, steps=STEPS)["sampler"],
        "mask": node("SolidMask", value=0.7, width=64, height=64),
        "start": node("SetLatentNoiseMask", samples=["sampler", 0], mask=["mask", 0]),
    }
    given = {"latent_image": ["start", 0], "denoise": 0.6, "draft": "step cache", "together": 3}
    assert_exact(client, {**graph(taste, "dpmpp_2m_sde", n=6, keep=2, steps=10, **given), **extra})


def test_drafts_save_calls_of_the_model(client: Client, taste: str) -> None:
    work = {}
    for draft in ("off", "step cache", "fewer steps"):
        run = ran(client, taste, n=8, steps=20, pruning="standard", draft=draft, draft_finals=1)
        work[draft] = run.outputs["best"]["work"][0]
    assert work["step cache"] < work["off"]
    assert work["fewer steps"] < work["off"]


def test_drafts_are_cancelled_at_once(client: Client, taste: str) -> None:
    run = client.start(graph(taste, steps=2000, seed=950, draft="step cache"))
    run.wait_for("progress")
    client.interrupt()
    assert run.wait(timeout=60).interrupted


def test_what_is_kept_is_what_best_of_n_would_keep_of_all(client: Client, taste: str) -> None:
    ran(client, taste, keep=4, pruning="off")
    every = kept(client)
    assert sorted(every["seeds"]) == [5, 6, 7, 8]
    assert every["scores"] == sorted(every["scores"], reverse=True)
    ran(client, taste, keep=1, pruning="off")
    best = kept(client)
    for name in ("latents", "images", "scores", "seeds", "indices"):
        assert best[name] == every[name][:1]
    (image,) = best["images"]
    assert image["shape"] == [1, 64, 64, 3]
    assert 0 <= image["min"] < image["max"] <= 1


def test_pruning_saves_the_work_it_promises_and_says_so(client: Client, taste: str) -> None:
    shown = ran(client, taste, n=8, custom_pruning="34%: 1/2, 50%: 1/4").outputs["best"]
    assert [(look["step"], len(look["scores"])) for look in shown["looks"]] == [(2, 8), (3, 4)]
    assert shown["work"] == [pytest.approx((8 * 2 + 4 * 1 + 2 * 3) / (8 * STEPS))]
    assert [score is not None for score in shown["all_scores"]].count(True) == 2
    assert "54%" in shown["summary"][0]
    assert f"seed {shown['seeds'][0]}" in shown["summary"][0]
    first, second = (look["scores"] for look in shown["looks"])
    assert min(first[number] for number in second) >= max(first[number] for number in first.keys() - second)


def test_candidates_can_share_calls_of_the_model(client: Client, taste: str) -> None:
    results = []
    for together in (1, 3):
        ran(client, taste, "dpmpp_2m_sde", pruning="off", keep=4, together=together)
        results.append(kept(client))
    exact, shared = results
    assert shared["seeds"] == exact["seeds"]
    assert shared["scores"] == pytest.approx(exact["scores"], abs=1e-3)


def test_there_is_a_live_picture_of_the_leaders(client: Client, taste: str) -> None:
    pictures = [preview.image for preview in ran(client, taste, n=8, seed=400).previews_of("best")]
    assert pictures
    assert pictures[-1].width > 400


def test_cancel_stops_it_at_once(client: Client, taste: str) -> None:
    run = client.start(graph(taste, steps=2000, seed=900))
    run.wait_for("progress")
    client.interrupt()
    assert run.wait(timeout=60).interrupted
    ran(client, taste, seed=901)


def hooked_with_keyframes() -> Json:
    conditioning = {"cond_NEW": ["text", 0], "strength": 1.0, "set_cond_area": "default"}
    return {
        "first": node("CreateHookKeyframe", strength_mult=1.0, start_percent=0.0),
        "second": node("CreateHookKeyframe", strength_mult=0.0, start_percent=0.5, prev_hook_kf=["first", 0]),
        "hook": node("CreateHookModelAsLoraModelOnly", ckpt_name=CHECKPOINT, strength_model=0.5),
        "timed": node("SetHookKeyframes", hooks=["hook", 0], hook_kf=["second", 0]),
        "changed": node("ConditioningSetProperties", hooks=["timed", 0], **conditioning),
    }


EASY_CACHE = {"reuse_threshold": 0.2, "start_percent": 0.1, "end_percent": 0.9, "verbose": False}
MODEL = {"model": ["model", 0]}


@pytest.mark.parametrize(
    ("name", "changed", "words"),
    [
        ("model", node("EasyCache", **MODEL, **EASY_CACHE), "EasyCache"),
        ("model", node("APG", **MODEL, eta=1.0, norm_threshold=5.0, momentum=0.5), "momentum"),
        ("positive", hooked_with_keyframes(), "keyframes"),
    ],
)
def test_what_candidates_cannot_share_is_refused(
    client: Client, taste: str, name: str, changed: Json, words: str
) -> None:
    extra = {"changed": changed} if "class_type" in changed else changed
    prompt = {**graph(taste, **{name: ["changed", 0]}), **extra}
    assert words in client.run(prompt).error_message


@pytest.fixture
def preview_decoder(server: Server) -> Iterator[None]:
    """The decoder half of the tiny VAE, where core looks for the preview decoder of SD3."""
    vae = load_file(str(server.folder("models", "vae") / VAE))
    name = "taesd_decoder."
    decoder = {key.removeprefix(name): each.contiguous() for key, each in vae.items() if key.startswith(name)}
    path = server.folder("models", "vae_approx") / "taesd3_decoder.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file(decoder, str(path))
    yield
    path.unlink()


@pytest.mark.usefixtures("preview_decoder")
def test_predicted_pictures_can_be_decoded_by_the_preview_decoder(client: Client, taste: str) -> None:
    quick = ran(client, taste, look_with="preview decoder", n=8).outputs["best"]
    assert "preview decoder" not in quick["summary"][0]
    whole = ran(client, taste, n=8).outputs["best"]
    for number, score in whole["looks"][0]["scores"].items():
        assert quick["looks"][0]["scores"][number] == pytest.approx(score, abs=0.15)


@pytest.mark.parametrize("sampler", ["dpm_fast", "dpm_adaptive"])
def test_samplers_with_steps_of_their_own_report_their_own_work(
    client: Client, taste: str, sampler: str
) -> None:
    run = ran(client, taste, sampler, n=8, steps=20, pruning="gentle")
    assert 0.5 < run.outputs["best"]["work"][0] < 1
    done, most = run.progress_of("best")[-1]
    assert done <= most


@pytest.mark.parametrize(
    ("search", "sampler"),
    [
        ("paths", "euler"),
        ("paths", "dpmpp_2m_sde"),
        ("resample", "euler"),
        ("resample", "uni_pc"),
        ("resample", "heun"),
        ("paths", "dpm_adaptive"),
    ],
)
def test_a_search_makes_its_winners_again_from_their_paths(
    client: Client, taste: str, search: str, sampler: str
) -> None:
    ran(client, taste, sampler, steps=10, n=8, keep=3, search=search)
    best = kept(client)
    place, path = max(enumerate(best["paths"]), key=lambda each: each[1].count(">"))
    assert " > " in path
    assert f": {best['paths'][0]}" in best["summary"][0]
    ran(client, taste, sampler, steps=10, seed=99, path=path)
    again = kept(client)
    assert again["paths"] == [path]
    assert digests(again["latents"]) == digests(best["latents"][place : place + 1])


def test_a_search_leaves_what_is_masked_and_is_made_again(client: Client, taste: str) -> None:
    extra = {
        "sampler": text_to_image(seed=77, steps=STEPS)["sampler"],
        "mask": node("SolidMask", value=0.7, width=64, height=64),
        "start": node("SetLatentNoiseMask", samples=["sampler", 0], mask=["mask", 0]),
    }
    given = {"steps": 12, "latent_image": ["start", 0], "denoise": 0.8}
    client.run({**graph(taste, n=6, keep=6, search="resample", **given), **extra}).expect_success()
    best = kept(client)
    place, path = max(enumerate(best["paths"]), key=lambda each: each[1].count(">"))
    assert " > " in path
    client.run({**graph(taste, path=path, **given), **extra}).expect_success()
    assert digests(kept(client)["latents"]) == digests(best["latents"][place : place + 1])


def test_too_few_steps_to_search_are_refused(client: Client, taste: str) -> None:
    assert "at least 4 steps" in client.run(graph(taste, search="paths", steps=3)).error_message
