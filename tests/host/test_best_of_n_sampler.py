"""The Best-of-N Samplers in a real ComfyUI: exactness, pruning, what reaches the other nodes, previews, Cancel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from host_support.client import Client, PromptRefusedError
from host_support.pack_prompts import loaded
from host_support.prompts import Json, node, text_to_image
from host_support.server import Server
from host_support.tiny_generator import CHECKPOINT, VAE
from safetensors.torch import load_file, save_file

SAMPLERS = [
    "euler",
    "euler_ancestral",
    "euler_cfg_pp",
    "heun",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_sde",
    "uni_pc",
    "lcm",
    "ddim",
    "res_multistep",
    "er_sde",
    "dpm_adaptive",
]
STEPS = 6


def sampler_node(sampler: str = "euler", **inputs: Any) -> Json:
    given = {
        "model": ["model", 0],
        "seed": 5,
        "steps": STEPS,
        "cfg": 1.5,
        "sampler_name": sampler,
        "scheduler": "simple",
        "positive": ["text", 0],
        "negative": ["other", 0],
        "latent_image": ["empty", 0],
        "denoise": 1.0,
        "vae": ["vae", 0],
        "reward": ["load", 0],
        "n": 4,
        "keep": 1,
        "pruning": "standard",
        "custom_pruning": "",
        "look_with": "vae",
        "together": 1,
        "stop_below": 0.0,
        "round_size": 4,
    }
    return node("GANRMBestOfNSampler", **{**given, **inputs})


def graph(taste: str, sampler: str = "euler", **inputs: Any) -> Json:
    core = text_to_image(steps=STEPS, sampler=sampler)
    text = node("CLIPTextEncode", text="something else", clip=["model", 1])
    nodes = {name: core[name] for name in ("model", "vae", "text", "empty")}
    best = sampler_node(sampler, **inputs)
    return {**nodes, "other": text, "load": loaded(taste), "best": best, "echo": echo("best", "best")}


def echo(label: str, of: str) -> Json:
    return node("ProbeEcho", label=label, **{f"value{i or ''}": [of, i] for i in range(7)})


def echoed(client: Client, label: str = "best") -> Json:
    records: Json = client.get("/probe/echo")[label][-1]
    names = ("latents", "images", "scores", "seeds", "indices", "summary", "preview")
    return {name: records[f"value{i or ''}"] for i, name in enumerate(names)}


def alone(client: Client, taste: str, seed: int, sampler: str, **inputs: Any) -> str:
    """The digest of the latent that core's KSampler makes of one seed."""
    prompt = graph(taste, sampler)
    kept = ("model", "seed", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative")
    widgets = {name: prompt["best"]["inputs"][name] for name in (*kept, "latent_image", "denoise")}
    del prompt["best"], prompt["echo"], prompt["load"]
    prompt["alone"] = node("KSampler", **{**widgets, "seed": seed, **inputs})
    prompt["echo"] = node("ProbeEcho", label="alone", value=["alone", 0])
    client.run(prompt, timeout=300).expect_success()
    (latent,) = client.get("/probe/echo")["alone"][-1]["value"]
    (digest,) = latent["samples"]["sha256"]
    return str(digest)


def digests(latents: list[Json]) -> list[str]:
    return [digest for latent in latents for digest in latent["samples"]["sha256"]]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_each_one_kept_is_the_very_picture_of_its_seed(client: Client, taste: str, sampler: str) -> None:
    client.run(graph(taste, sampler, keep=2), timeout=300).expect_success()
    best = echoed(client)
    assert [seed - index for seed, index in zip(best["seeds"], best["indices"], strict=True)] == [5, 5]
    assert digests(best["latents"]) == [alone(client, taste, seed, sampler) for seed in best["seeds"]]


@pytest.mark.parametrize("kind", ["eps", "v_prediction"])
def test_models_of_other_kinds_are_exact_too(client: Client, taste: str, kind: str) -> None:
    """The tiny model is a flow; what its output is taken for can be chosen."""
    prompt = graph(taste, "dpmpp_2m_sde", keep=2)
    prompt["other kind"] = node("ModelSamplingDiscrete", model=["model", 0], sampling=kind, zsnr=False)
    prompt["best"]["inputs"]["model"] = ["other kind", 0]
    client.run(prompt, timeout=300).expect_success()
    best = echoed(client)
    names = ("model", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image")
    widgets = {name: prompt["best"]["inputs"][name] for name in (*names, "denoise")}
    again = {name: each for name, each in prompt.items() if name not in ("best", "echo", "load")}
    for number, seed in enumerate(best["seeds"]):
        again[f"alone {number}"] = node("KSampler", **widgets, seed=seed)
    again["echo"] = node("ProbeEcho", label=kind, value=["alone 0", 0], value1=["alone 1", 0])
    client.run(again, timeout=300).expect_success()
    record = client.get("/probe/echo")[kind][-1]
    assert digests(best["latents"]) == digests([*record["value"], *record["value1"]])


def test_img2img_and_a_mask_are_exact_too(client: Client, taste: str) -> None:
    core = text_to_image(seed=77, steps=STEPS)
    extra = {
        "sampler": core["sampler"],
        "mask": node("SolidMask", value=0.7, width=64, height=64),
        "start": node("SetLatentNoiseMask", samples=["sampler", 0], mask=["mask", 0]),
    }
    given: Json = {"latent_image": ["start", 0], "denoise": 0.6}
    prompt = {**graph(taste, "euler_ancestral", **given), **extra}
    client.run(prompt, timeout=300).expect_success()
    best = echoed(client)
    widgets = prompt["best"]["inputs"]
    names = ("model", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image")
    again = {name: each for name, each in prompt.items() if name not in ("best", "echo", "load")}
    again["alone"] = node(
        "KSampler", **{name: widgets[name] for name in names}, seed=best["seeds"][0], denoise=0.6
    )
    again["echo"] = node("ProbeEcho", label="masked", value=["alone", 0])
    client.run(again, timeout=300).expect_success()
    assert digests(best["latents"]) == digests(client.get("/probe/echo")["masked"][-1]["value"])


def test_custom_sampling_is_exact_too(client: Client, taste: str) -> None:
    prompt = graph(taste)
    shared = (
        "vae",
        "reward",
        "n",
        "keep",
        "pruning",
        "custom_pruning",
        "look_with",
        "together",
        "stop_below",
    )
    widgets = {name: prompt["best"]["inputs"][name] for name in (*shared, "round_size")}
    prompt |= {
        "noise": node("RandomNoise", noise_seed=31),
        "guider": node("CFGGuider", model=["model", 0], positive=["text", 0], negative=["other", 0], cfg=1.5),
        "method": node("KSamplerSelect", sampler_name="dpmpp_2m_sde"),
        "sigmas": node("BasicScheduler", model=["model", 0], scheduler="simple", steps=STEPS, denoise=1.0),
    }
    custom = {
        "noise": ["noise", 0],
        "guider": ["guider", 0],
        "sampler": ["method", 0],
        "sigmas": ["sigmas", 0],
        "latent_image": ["empty", 0],
    }
    prompt["best"] = node("GANRMBestOfNSamplerCustom", **custom, **widgets)
    client.run(prompt, timeout=300).expect_success()
    best = echoed(client)
    again = {name: each for name, each in prompt.items() if name not in ("best", "load")}
    again["noise"] = node("RandomNoise", noise_seed=best["seeds"][0])
    again["alone"] = node("SamplerCustomAdvanced", **custom)
    again["echo"] = node("ProbeEcho", label="custom", value=["alone", 0])
    client.run(again, timeout=300).expect_success()
    assert digests(best["latents"]) == digests(client.get("/probe/echo")["custom"][-1]["value"])


def test_what_is_kept_is_what_best_of_n_would_keep_of_all(client: Client, taste: str) -> None:
    client.run(graph(taste, keep=4, pruning="off"), timeout=300).expect_success()
    every = echoed(client)
    assert sorted(every["seeds"]) == [5, 6, 7, 8]
    assert every["scores"] == sorted(every["scores"], reverse=True)
    client.run(graph(taste, keep=1, pruning="off"), timeout=300).expect_success()
    best = echoed(client)
    for name in ("latents", "images", "scores", "seeds", "indices"):
        assert best[name] == every[name][:1]
    (image,) = best["images"]
    assert image["shape"] == [1, 64, 64, 3]
    assert 0 <= image["min"] < image["max"] <= 1


def test_pruning_saves_the_work_it_promises_and_says_so(client: Client, taste: str) -> None:
    run = client.run(graph(taste, n=8, custom_pruning="34%: 1/2, 50%: 1/4"), timeout=300).expect_success()
    shown = run.outputs["best"]
    assert [(look["step"], len(look["scores"])) for look in shown["looks"]] == [(2, 8), (3, 4)]
    assert shown["work"] == [pytest.approx((8 * 2 + 4 * 1 + 2 * 3) / (8 * STEPS))]
    assert [score is not None for score in shown["all_scores"]].count(True) == 2
    assert "54%" in shown["summary"][0]
    assert f"seed {shown['seeds'][0]}" in shown["summary"][0]
    dropped = set(map(int, shown["looks"][0]["scores"])) - set(map(int, shown["looks"][1]["scores"]))
    first = shown["looks"][0]["scores"]
    stayed = [score for number, score in first.items() if int(number) not in dropped]
    assert min(stayed) >= max(first[str(number)] for number in dropped)


def test_candidates_can_share_calls_of_the_model(client: Client, taste: str) -> None:
    client.run(graph(taste, "dpmpp_2m_sde", pruning="off", keep=4), timeout=300).expect_success()
    exact = echoed(client)
    client.run(graph(taste, "dpmpp_2m_sde", pruning="off", keep=4, together=3), timeout=300).expect_success()
    shared = echoed(client)
    assert shared["seeds"] == exact["seeds"]
    assert shared["scores"] == pytest.approx(exact["scores"], abs=1e-3)


def test_it_stops_when_a_better_one_is_unlikely(client: Client, taste: str) -> None:
    settings = {"n": 12, "pruning": "off", "stop_below": 1.0, "round_size": 3}
    run = client.run(graph(taste, **settings), timeout=300).expect_success()
    assert "stopped early" in run.outputs["best"]["summary"][0]
    assert len(run.outputs["best"]["all_scores"]) == 3


def test_there_is_a_live_picture_of_the_leaders(client: Client, taste: str) -> None:
    run = client.run(graph(taste, n=8, seed=400), timeout=300).expect_success()
    pictures = [preview.image for preview in run.previews_of("best")]
    assert pictures
    assert pictures[-1].width > 400


def test_a_missing_preview_decoder_is_told(client: Client, taste: str) -> None:
    run = client.run(graph(taste, look_with="preview decoder"), timeout=300).expect_success()
    assert "no preview decoder" in run.outputs["best"]["summary"][0]


def test_cancel_stops_it_at_once(client: Client, taste: str) -> None:
    run = client.start(graph(taste, steps=2000, seed=900))
    run.wait_for("progress", timeout=120)
    client.interrupt()
    assert run.wait(timeout=60).interrupted
    client.run(graph(taste, seed=901), timeout=300).expect_success()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keep": 9}, "keep is 9 of 4"),
        ({"denoise": 0.0}, "no steps to sample"),
        ({"custom_pruning": "half"}, "cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused_before_the_work(
    client: Client, taste: str, changes: Json, words: str
) -> None:
    with pytest.raises(PromptRefusedError, match=words):
        client.run(graph(taste, **changes), timeout=300)


def test_videos_and_different_latents_are_refused(client: Client, taste: str) -> None:
    prompt = graph(taste)
    prompt["empty"] = node("EmptyHunyuanLatentVideo", width=64, height=64, length=9, batch_size=1)
    assert "is a video" in client.run(prompt, timeout=300).error_message
    prompt["empty"] = node(
        "ProbeLatents",
        count=2,
        form="batch",
        first=1.0,
        channels=16,
        height=8,
        width=8,
        batch_index="",
        noise_mask=False,
    )
    assert "2 different pictures" in client.run(prompt, timeout=300).error_message


def test_step_caches_are_refused(client: Client, taste: str) -> None:
    prompt = graph(taste)
    prompt["cached"] = node(
        "EasyCache",
        model=["model", 0],
        reuse_threshold=0.2,
        start_percent=0.1,
        end_percent=0.9,
        verbose=False,
    )
    prompt["best"]["inputs"]["model"] = ["cached", 0]
    assert "EasyCache" in client.run(prompt, timeout=300).error_message


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
def test_half_made_pictures_can_be_looked_at_with_the_preview_decoder(client: Client, taste: str) -> None:
    run = client.run(graph(taste, look_with="preview decoder", n=8), timeout=300).expect_success()
    quick = run.outputs["best"]
    assert "preview decoder" not in quick["summary"][0]
    whole = client.run(graph(taste, n=8), timeout=300).expect_success().outputs["best"]
    for number, score in whole["looks"][0]["scores"].items():
        assert quick["looks"][0]["scores"][number] == pytest.approx(score, abs=0.15)


def test_hooks_with_keyframes_and_guidance_with_momentum_are_refused(client: Client, taste: str) -> None:
    prompt = graph(taste)
    prompt |= {
        "first": node("CreateHookKeyframe", strength_mult=1.0, start_percent=0.0),
        "second": node("CreateHookKeyframe", strength_mult=0.0, start_percent=0.5, prev_hook_kf=["first", 0]),
        "hook": node("CreateHookModelAsLoraModelOnly", ckpt_name=CHECKPOINT, strength_model=0.5),
        "timed": node("SetHookKeyframes", hooks=["hook", 0], hook_kf=["second", 0]),
        "hooked": node(
            "ConditioningSetProperties",
            cond_NEW=["text", 0],
            strength=1.0,
            set_cond_area="default",
            hooks=["timed", 0],
        ),
    }
    prompt["best"]["inputs"]["positive"] = ["hooked", 0]
    assert "keyframes" in client.run(prompt, timeout=300).error_message
    prompt = graph(taste)
    prompt["apg"] = node("APG", model=["model", 0], eta=1.0, norm_threshold=5.0, momentum=0.5)
    prompt["best"]["inputs"]["model"] = ["apg", 0]
    assert "momentum" in client.run(prompt, timeout=300).error_message


@pytest.mark.parametrize("sampler", ["dpm_fast", "dpm_adaptive"])
def test_samplers_with_steps_of_their_own_report_their_own_work(
    client: Client, taste: str, sampler: str
) -> None:
    settings: Json = {"n": 8, "steps": 20, "pruning": "gentle"}
    run = client.run(graph(taste, sampler, **settings), timeout=300).expect_success()
    assert 0.5 < run.outputs["best"]["work"][0] < 1
    bar = run.progress_of("best")
    assert bar[-1][0] <= bar[-1][1]
