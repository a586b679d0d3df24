"""Workflow graphs for help pages only: nodes that no shipped workflow uses."""

from __future__ import annotations

import workflow_parts as parts
from workflow_parts import Graph


def images_to_dataset() -> Graph:
    graph = Graph("images_to_dataset", faces=("GANRMImagesToDataset",))
    first, second, third = graph.columns(360, 320, 360)
    sampled = parts.ksampler(graph, first, second, batch=16)
    graph.add("GANRMImagesToDataset", third.place(90), images=sampled.images[0])
    return graph


def bootstrapping() -> Graph:
    """Refines the taste of the first workflow by what the generator made since."""
    graph = Graph("bootstrapping", faces=("GANRMBootstrap",))
    inputs, result = graph.columns(360, 520)
    liked = parts.image_folder(graph, inputs, "input/liked", "Pictures you like")
    ordinary = parts.image_folder(graph, inputs, "input/ordinary", "Ordinary pictures")
    pool = parts.image_folder(graph, inputs, "output", "What was made since")
    model = parts.load_model(graph, inputs.place(130))
    graph.add(
        "GANRMBootstrap",
        result.place(640),
        reward=model[0],
        pool=pool[0],
        liked=liked[0],
        ordinary=ordinary[0],
        rounds=3,
        bottom_only=False,
    )
    return graph


def custom_sampling() -> Graph:
    graph = Graph("custom_sampling", faces=("GANRMBestOfNSamplerCustom",))
    first, second, third, fourth = graph.columns(360, 320, 320, 520)
    source = parts.loaded(graph, first, second, batch=1)
    taste = parts.load_model(graph, first.place(130))
    noise = graph.add("RandomNoise", third.place(90), noise_seed=42)
    guider = graph.add(
        "CFGGuider",
        third.place(110),
        model=source.model,
        positive=source.positive,
        negative=source.negative,
        cfg=6.0,
    )
    method = graph.add("KSamplerSelect", third.place(60), sampler_name="dpmpp_2m")
    sigmas = graph.add(
        "BasicScheduler",
        third.place(120),
        model=source.model,
        scheduler="karras",
        steps=25,
        denoise=1.0,
    )
    graph.add(
        "GANRMBestOfNSamplerCustom",
        fourth.place(980),
        noise=noise[0],
        guider=guider[0],
        sampler=method[0],
        sigmas=sigmas[0],
        latent_image=source.latent,
        **parts.best_of_n_settings(source, taste, n=16, keep=1),
    )
    return graph


def known_judge() -> Graph:
    graph = Graph("known_judge", faces=("GANRMKnownReward",))
    (only,) = graph.columns(420)
    graph.add(
        "GANRMKnownReward", only.place(140), judge="PickScore v1", file="automatic", backbone="automatic"
    )
    return graph


def taste_card() -> Graph:
    """A card of the taste of the first workflow."""
    graph = Graph("taste_card", faces=("GANRMTasteCard",))
    first, second = graph.columns(360, 520)
    model = parts.load_model(graph, first.place(130))
    graph.add(
        "GANRMTasteCard",
        second.place(860),
        reward=model[0],
        folder="output",
        name="My taste",
        author="",
        licence="CC BY 4.0",
        recursive=False,
    )
    return graph


HELP_GRAPHS = (images_to_dataset, bootstrapping, custom_sampling, known_judge, taste_card)
