"""Generators that workflows 2 and 8 exist for besides SDXL, loaded and set as ComfyUI's own templates do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import workflow_parts as parts
from workflow_parts import Column, Graph, Link, Source

_FOLDERS = "https://huggingface.co/Comfy-Org/{repository}/resolve/main/split_files/{directory}/{name}"


def _public(name: str, directory: str, url: str) -> dict[str, str]:
    return {"name": name, "url": url.format(directory=directory, name=name), "directory": directory}


def _split(repository: str, directory: str, name: str) -> dict[str, str]:
    return _public(name, directory, _FOLDERS.replace("{repository}", repository))


@dataclass(frozen=True)
class Generator:
    """`name` stands in the file names. `texts` are the text encoders, of CLIPLoader's or DualCLIPLoader's `kind`.

    `shift` is that of ModelSamplingAuraFlow, `guidance` that of FluxGuidance; without either the node is left out.
    A generator that is `distilled` takes no negative prompt. `needs` are lines
    for the note.
    """

    name: str
    model: dict[str, str]
    texts: tuple[dict[str, str], ...]
    kind: str
    vae: dict[str, str]
    side: int
    sampling: dict[str, Any]
    shift: float | None = None
    guidance: float | None = None
    distilled: bool = True
    needs: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[dict[str, str], ...]:
        return (self.model, *self.texts, self.vae)


FLUX = Generator(
    "Flux",
    _public(
        "flux1-dev.safetensors",
        "diffusion_models",
        "https://huggingface.co/Comfy-Org/flux1-dev/resolve/main/{name}",
    ),
    tuple(
        _public(
            name,
            "text_encoders",
            "https://huggingface.co/comfyanonymous/flux_text_encoders/resolve/main/{name}",
        )
        for name in ("clip_l.safetensors", "t5xxl_fp16.safetensors")
    ),
    "flux",
    _split("Lumina_Image_2.0_Repackaged", "vae", "ae.safetensors"),
    side=1024,
    sampling={"steps": 20, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple"},
    guidance=3.5,  # what the templates leave to the model's default
)
QWEN_IMAGE = Generator(
    "Qwen-Image",
    _split("Qwen-Image_ComfyUI", "diffusion_models", "qwen_image_2512_fp8_e4m3fn.safetensors"),
    (_split("Qwen-Image_ComfyUI", "text_encoders", "qwen_2.5_vl_7b_fp8_scaled.safetensors"),),
    "qwen_image",
    _split("Qwen-Image_ComfyUI", "vae", "qwen_image_vae.safetensors"),
    side=1328,
    sampling={"steps": 50, "cfg": 4.0, "sampler_name": "euler", "scheduler": "simple"},
    shift=3.1,
    distilled=False,
)
Z_IMAGE = Generator(
    "Z-Image",
    _split("z_image_turbo", "diffusion_models", "z_image_turbo_bf16.safetensors"),
    (_split("z_image_turbo", "text_encoders", "qwen_3_4b.safetensors"),),
    "lumina2",
    _split("Lumina_Image_2.0_Repackaged", "vae", "ae.safetensors"),
    side=1024,
    sampling={"steps": 8, "cfg": 1.0, "sampler_name": "res_multistep", "scheduler": "simple"},
    shift=3.0,
    needs=("### Z-Image needs ComfyUI 0.3.75 or newer.",),
)
GENERATORS = (FLUX, QWEN_IMAGE, Z_IMAGE)

parts.MODEL_FILES.update({file["name"]: file for generator in GENERATORS for file in generator.files})


def load_generator(
    graph: Graph, first: Column, second: Column, generator: Generator, *, batch: int
) -> Source:
    """Files and size in the first column, prompts and what changes the model in the second."""
    place = first.place(82)
    model = graph.add("UNETLoader", place, unet_name=generator.model["name"], weight_dtype="default")[0]
    clip = _text_encoders(graph, first, generator)
    vae = graph.add("VAELoader", first.place(58), vae_name=generator.vae["name"])
    text = graph.add("CLIPTextEncode", second.place(130), "What you want", clip=clip, text=parts.PROMPT)
    positive = text[0]
    if generator.distilled:
        negative = graph.add("ConditioningZeroOut", second.place(30), conditioning=text[0])
    else:
        words = {"clip": clip, "text": "blurry, watermark"}
        negative = graph.add("CLIPTextEncode", second.place(102), "What you do not want", **words)
    if generator.guidance is not None:
        guided = {"conditioning": text[0], "guidance": generator.guidance}
        positive = graph.add("FluxGuidance", second.place(58), **guided)[0]
    if generator.shift is not None:
        place = second.place(58)
        model = graph.add("ModelSamplingAuraFlow", place, model=model, shift=generator.shift)[0]
    size = graph.add(
        "EmptySD3LatentImage",
        first.place(118),
        "How many" if batch > 1 else "How large",
        width=generator.side,
        height=generator.side,
        batch_size=batch,
    )
    return Source(model, vae[0], positive, negative[0], size[0], generator.sampling)


def _text_encoders(graph: Graph, column: Column, generator: Generator) -> Link:
    names = [text["name"] for text in generator.texts]
    if len(names) == 1:
        place = column.place(106)
        return graph.add("CLIPLoader", place, clip_name=names[0], type=generator.kind, device="default")[0]
    return graph.add(
        "DualCLIPLoader",
        column.place(130),
        clip_name1=names[0],
        clip_name2=names[1],
        type=generator.kind,
        device="default",
    )[0]
