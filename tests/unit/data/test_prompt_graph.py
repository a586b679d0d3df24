"""The positive prompt of ComfyUI graphs in API form."""

from __future__ import annotations

from typing import Any

import pytest

from ganrm_core.data.prompt_graph import prompts_in

Graph = dict[str, Any]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def link(name: str, slot: int = 0) -> list[Any]:
    return [name, slot]


def encoder(text: Any) -> dict[str, Any]:
    return node("CLIPTextEncode", text=text, clip=link("model", 1))


def sampler(positive: Any, negative: Any = None, latent: Any = None, **more: Any) -> dict[str, Any]:
    inputs = {
        "seed": 1,
        "steps": 20,
        "cfg": 8.0,
        "sampler_name": "euler",
        "scheduler": "normal",
        "denoise": 1.0,
    }
    return node(
        "KSampler",
        model=link("model"),
        positive=positive,
        negative=negative or link("no"),
        latent_image=latent or link("empty"),
        **{**inputs, **more},
    )


def graph(**nodes: Any) -> Graph:
    """`nodes`, and what every graph has; the sampler is called `made` and its picture saved unless given otherwise."""
    common = {
        "model": node("CheckpointLoaderSimple", ckpt_name="sd_xl.safetensors"),
        "empty": node("EmptyLatentImage", width=512, height=512, batch_size=1),
        "yes": encoder("a red fox"),
        "no": encoder("text, watermark"),
        "made": sampler(link("yes")),
        "decoded": node("VAEDecode", samples=link("made"), vae=link("model", 2)),
        "save": node("SaveImage", filename_prefix="ComfyUI", images=link("decoded")),
    }
    return {**common, **nodes}


def custom(guider: dict[str, Any]) -> Graph:
    """A graph of Flux's kind around a guider."""
    return graph(
        guider=guider,
        noise=node("RandomNoise", noise_seed=5),
        euler=node("KSamplerSelect", sampler_name="euler"),
        sigmas=node("BasicScheduler", model=link("model"), scheduler="simple", steps=20, denoise=1.0),
        made=node(
            "SamplerCustomAdvanced",
            noise=link("noise"),
            guider=link("guider"),
            sampler=link("euler"),
            sigmas=link("sigmas"),
            latent_image=link("empty"),
        ),
    )


def test_text_to_image() -> None:
    assert prompts_in(graph()) == ["a red fox"]


@pytest.mark.parametrize(
    "guider",
    [
        node("BasicGuider", model=link("model"), conditioning=link("flux")),
        node("CFGGuider", model=link("model"), positive=link("flux"), negative=link("no"), cfg=3.5),
        node(
            "DualCFGGuider",
            model=link("model"),
            cond1=link("flux"),
            cond2=link("no"),
            negative=link("zero"),
            cfg_conds=5.0,
        ),
        node(
            "PerpNegGuider",
            model=link("model"),
            positive=link("flux"),
            negative=link("no"),
            empty_conditioning=link("zero"),
        ),
    ],
    ids=["basic", "cfg", "dual cfg", "perp neg"],
)
def test_custom_sampling_with_guiders(guider: dict[str, Any]) -> None:
    found = custom(guider)
    found["flux"] = node("FluxGuidance", guidance=3.5, conditioning=link("yes"))
    found["zero"] = node("ConditioningZeroOut", conditioning=link("no"))
    assert prompts_in(found) == ["a red fox"]


def test_conditioning_on_the_way() -> None:
    """ControlNet and inpainting change both; a region's text belongs to the prompt, an image or a ControlNet's does not."""
    inpaint = {"pixels": link("photo"), "vae": link("model", 2), "mask": link("photo", 1), "noise_mask": True}
    found = graph(
        photo=node("LoadImage", image="a photo.png"),
        net=node("ControlNetLoader", control_net_name="canny.safetensors"),
        control=node(
            "ControlNetApplyAdvanced",
            positive=link("both"),
            negative=link("no"),
            control_net=link("net"),
            image=link("photo"),
            strength=1.0,
        ),
        sky=encoder("a stormy sky"),
        area=node(
            "ConditioningSetArea", conditioning=link("sky"), width=64, height=64, x=0, y=0, strength=1.0
        ),
        both=node("ConditioningCombine", conditioning_1=link("yes"), conditioning_2=link("area")),
        filled=node(
            "InpaintModelConditioning", positive=link("control"), negative=link("control", 1), **inpaint
        ),
        styled=node("unCLIPConditioning", conditioning=link("filled"), clip_vision_output=link("photo")),
        net_text=node(
            "CLIPTextEncodeControlnet", clip=link("model", 1), conditioning=link("styled"), text="canny"
        ),
        made=sampler(link("net_text"), link("filled", 1), link("filled", 2)),
    )
    assert prompts_in(found) == ["a red fox, a stormy sky"]
    found["made"] = sampler(link("filled", 1))  # the other way round, as it is wired
    assert prompts_in(found) == ["text, watermark"]


def test_the_last_sampler_before_the_picture() -> None:
    found = graph(
        larger=node(
            "LatentUpscale", samples=link("made"), upscale_method="nearest-exact", width=1024, height=1024
        ),
        detail=encoder("a red fox, every hair sharp"),
        again=sampler(link("detail"), latent=link("larger"), denoise=0.5),
        decoded=node("VAEDecode", samples=link("again"), vae=link("model", 2)),
        upscaler=node("UpscaleModelLoader", model_name="x4.pth"),
        big=node("ImageUpscaleWithModel", upscale_model=link("upscaler"), image=link("decoded")),
        save=node("SaveImage", filename_prefix="ComfyUI", images=link("big")),
    )
    assert prompts_in(found) == ["a red fox, every hair sharp"]
    found["detail"] = encoder("  ")  # a refiner without words goes on with the picture of the one before
    assert prompts_in(found) == ["a red fox"]


def test_the_save_node_is_told_by_its_prefix() -> None:
    found = graph(
        blue=encoder("a blue fox"),
        other=sampler(link("blue")),
        other_decoded=node("VAEDecode", samples=link("other"), vae=link("model", 2)),
        other_save=node("SaveImage", filename_prefix="foxes/ComfyUI_blue", images=link("other_decoded")),
        preview=node("PreviewImage", images=link("other_decoded")),
    )
    assert prompts_in(found, "ComfyUI_00001_.png") == ["a red fox"]
    assert prompts_in(found, "ComfyUI_blue_00001_.png") == ["a blue fox"]
    assert prompts_in(found, "renamed.png") == ["a red fox", "a blue fox"]
    found["other_save"]["inputs"]["filename_prefix"] = "%date:yyyy%/ComfyUI_blue%seed%"
    assert prompts_in(found, "ComfyUI_blue7_00001_.png") == ["a blue fox"]


def test_our_own_nodes_pass_on_pictures_and_sample() -> None:
    found = graph(
        trained=node("GANRMTrain", liked=link("made")),
        best=node("GANRMBestOfN", images=link("decoded"), reward=link("trained")),
        save=node("GANRMSaveImages", filename_prefix="best", images=link("best")),
    )
    assert prompts_in(found) == ["a red fox"]
    found["decoded"] = node("GANRMBestOfNSampler", seed=3, n=8, positive=link("yes"), negative=link("no"))
    assert prompts_in(found) == ["a red fox"]


@pytest.mark.parametrize(
    ("kind", "inputs", "expected"),
    [
        ("CLIPTextEncodeFlux", {"clip_l": "fox", "t5xxl": "A red fox in snow.", "guidance": 3.5}, "A red fox in snow."),
        ("CLIPTextEncodeSDXL", {"width": 1024, "text_g": "a red fox", "text_l": "a red fox"}, "a red fox"),
        ("CLIPTextEncodeSDXL", {"width": 1024, "text_g": "a red fox", "text_l": "oil"}, "a red fox, oil"),
        ("CLIPTextEncodeSD3", {"clip_l": "", "clip_g": "a red fox", "t5xxl": ""}, "a red fox"),
        ("CLIPTextEncodeLumina2", {"system_prompt": "superior", "user_prompt": "a red fox"}, "a red fox"),
        ("TextEncodeQwenImageEditPlus", {"prompt": "make it red", "image1": ["photo", 0]}, "make it red"),
        ("TextEncodeBooguEdit", {"negative_prompt": "blur", "prompt": "a red fox"}, "a red fox"),
        ("GLIGENTextBoxApply", {"conditioning_to": ["no", 0], "text": "a box"}, "text, watermark"),
        ("ImpactWildcardEncode", {"wildcard_text": "__animal__", "populated_text": "a red fox"}, "a red fox"),
        ("BNK_CLIPTextEncodeAdvanced", {"text": "a red fox", "weight_interpretation": "A1111"}, "a red fox"),
        ("Efficient Loader", {"ckpt_name": "a.safetensors", "positive": "a red fox", "negative": "blur"}, "a red fox"),
    ],
)  # fmt: skip
def test_text_encoders(kind: str, inputs: Graph, expected: str) -> None:
    assert prompts_in(graph(yes=node(kind, clip=link("model", 1), **inputs))) == [expected]


@pytest.mark.parametrize(
    ("text", "nodes", "expected"),
    [
        (link("a"), {"a": node("PrimitiveStringMultiline", value="a red fox")}, "a red fox"),
        (
            link("a"),
            {
                "a": node("StringConcatenate", string_a="a red ", string_b=link("b"), delimiter=""),
                "b": node("PrimitiveString", value="fox"),
            },
            "a red fox",
        ),
        (link("a"), {"a": node("Text Concatenate", text_a="a fox", text_b="", text_c="red", delimiter=", ")}, "a fox, red"),
        (link("a"), {"a": node("StringReplace", string="a blue fox", find="blue", replace="red")}, "a red fox"),
        (link("a"), {"a": node("StringSubstring", string="not a red fox!", start=4, end=13)}, "a red fox"),
        (link("a"), {"a": node("CaseConverter", string="A RED FOX", mode="lowercase")}, "a red fox"),
        (link("a"), {"a": node("StringFormat", f_string="a {b} fox", **{"values.b": "red"})}, "a red fox"),
        (link("a"), {"a": node("ComfySwitchNode", switch=True, on_true="a red fox", on_false="a hen")}, "a red fox"),
        (link("a"), {"a": node("ImpactSwitch", select=2, input1="a hen", input2="a red fox")}, "a red fox"),
        (link("a"), {"a": node("ShowText|pysssss", text=link("b")), "b": node("CR Text", text="a red fox")}, "a red fox"),
        (link("a"), {"a": node("Any Switch (rgthree)", any_01=link("b")), "b": node("Text Multiline", text="fox")}, "fox"),
    ],
)  # fmt: skip
def test_text_that_comes_over_a_link(text: Any, nodes: Graph, expected: str) -> None:
    assert prompts_in(graph(yes=encoder(text), **nodes)) == [expected]


def test_pipes_of_other_packs() -> None:
    found = graph(
        pipe=node("ToBasicPipe", model=link("model"), positive=link("yes"), negative=link("no")),
        made=node(
            "ImpactKSamplerBasicPipe", basic_pipe=link("pipe"), seed=1, steps=20, latent_image=link("empty")
        ),
    )
    assert prompts_in(found) == ["a red fox"]


def test_nodes_that_make_pictures_of_a_text() -> None:
    found = graph(decoded=node("OpenAIGPTImage1", prompt="a red fox", seed=1, n=1))
    assert prompts_in(found) == ["a red fox"]


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"a": None, "b": {"inputs": 3}, "c": {"class_type": "SaveImage", "inputs": {"images": ["c", 0]}}},
        graph(yes=encoder(link("yes"))),
        graph(yes=encoder(link("gone"))),
        graph(yes=encoder(["yes", "no", "maybe"])),
        graph(yes=node("ConditioningZeroOut", conditioning=link("no"))),
        graph(
            yes=encoder(link("a")), a=node("RegexReplace", string="a fox", regex_pattern="(a+)+$", replace="")
        ),
        graph(decoded=node("LoadImage", image="a photo.png")),
    ],
)
def test_graphs_that_tell_no_prompt(found: Graph) -> None:
    assert prompts_in(found) == []


def test_long_and_circular_chains_end() -> None:
    chain = {f"c{i}": node("ConditioningSetMask", conditioning=link(f"c{i + 1}")) for i in range(5000)}
    assert prompts_in(graph(yes=link("c0"), made=sampler(link("c0")), **chain)) == []
    doubled = {
        f"s{i}": node("StringConcatenate", string_a=link(f"s{i + 1}"), string_b=link(f"s{i + 1}"))
        for i in range(90)
    }
    doubled["s90"] = node("PrimitiveString", value="fox ")
    (text,) = prompts_in(graph(yes=encoder(link("s0")), **doubled))
    assert len(text) <= 20_000
