"""Workflow files: their conversion into prompts, and what validation finds wrong with them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from host_support.client import Client
from host_support.prompts import Json, node, text_to_image
from host_support.tiny_generator import CHECKPOINT, VAE
from host_support.validation import validate
from host_support.workflow import swap_values, ui_to_api

SAVE = node("SaveImage", images=["decode", 0], filename_prefix="workflow")
SAMPLER_VALUES = [0, "randomize", 3, 1.0, "euler", "simple", 1.0]


def slot(name: str, kind: str, link: int | None) -> Json:
    return {"name": name, "type": kind, "link": link}


def part(
    number: int, kind: str, inputs: list[Json], outputs: list[str], values: list[Any], mode: int = 0
) -> Json:
    made = [{"name": each, "type": each, "links": []} for each in outputs]
    return {
        "id": number,
        "type": kind,
        "mode": mode,
        "inputs": inputs,
        "outputs": made,
        "widgets_values": values,
    }


def graph() -> Json:
    """Text to image as the page saves it, with all that only the page knows: a note, a reroute, a primitive, …"""
    seed = {**slot("seed", "INT", 9), "widget": {"name": "seed"}}
    sampler = [
        slot("model", "MODEL", 1),
        slot("positive", "CONDITIONING", 3),
        slot("negative", "CONDITIONING", 4),
        slot("latent_image", "LATENT", 5),
        seed,
    ]
    return {
        "version": 0.4,
        "nodes": [
            part(1, "CheckpointLoaderSimple", [], ["MODEL", "CLIP", "VAE"], ["some_model.safetensors"]),
            part(2, "Reroute", [slot("", "*", 2)], ["CLIP"], []),
            part(3, "CLIPTextEncode", [slot("clip", "CLIP", 10)], ["CONDITIONING"], ["a picture"]),
            part(4, "EmptySD3LatentImage", [], ["LATENT"], [64, 64, 1]),
            part(5, "KSampler", sampler, ["LATENT"], SAMPLER_VALUES),
            # Bypassed: the latent passes through it.
            part(6, "RepeatLatentBatch", [slot("samples", "LATENT", 6)], ["LATENT"], [3], mode=4),
            part(7, "VAEDecode", [slot("samples", "LATENT", 7), slot("vae", "VAE", 11)], ["IMAGE"], []),
            part(8, "SaveImage", [slot("images", "IMAGE", 8)], [], ["workflow"]),
            # Muted: neither it nor what it feeds is queued.
            part(9, "PreviewImage", [slot("images", "IMAGE", 12)], [], [], mode=2),
            part(10, "PrimitiveNode", [], ["INT"], [41, "fixed"]),
            part(11, "VAELoader", [], ["VAE"], ["some_vae.safetensors"]),
            part(12, "MarkdownNote", [], [], ["Change the prompt."]),
        ],
        "links": [
            [1, 1, 0, 5, 0, "MODEL"],
            [2, 1, 1, 2, 0, "CLIP"],
            [3, 3, 0, 5, 1, "CONDITIONING"],
            [4, 3, 0, 5, 2, "CONDITIONING"],
            [5, 4, 0, 5, 3, "LATENT"],
            [6, 5, 0, 6, 0, "LATENT"],
            [7, 6, 0, 7, 0, "LATENT"],
            [8, 7, 0, 8, 0, "IMAGE"],
            [9, 10, 0, 5, 4, "INT"],
            [10, 2, 0, 3, 0, "CLIP"],
            [11, 11, 0, 7, 1, "VAE"],
            [12, 7, 0, 9, 0, "IMAGE"],
        ],
    }


NAMES = {"some_model.safetensors": CHECKPOINT, "some_vae.safetensors": VAE}


@pytest.fixture(scope="module")
def object_info(server: Any) -> Json:
    with server.client() as client:
        info: Json = client.object_info()
        return info


def test_a_graph_becomes_the_prompt_the_page_would_queue(object_info: Json) -> None:
    prompt = ui_to_api(graph(), object_info)
    assert list(prompt) == ["1", "3", "4", "5", "7", "8", "11"]
    assert prompt["3"]["inputs"] == {"text": "a picture", "clip": ["1", 1]}
    assert prompt["5"]["inputs"] == {
        "model": ["1", 0],
        "seed": 41,
        "steps": 3,
        "cfg": 1.0,
        "sampler_name": "euler",
        "scheduler": "simple",
        "positive": ["3", 0],
        "negative": ["3", 0],
        "latent_image": ["4", 0],
        "denoise": 1.0,
    }
    assert prompt["7"]["inputs"] == {"samples": ["5", 0], "vae": ["11", 0]}


def test_links_written_as_objects_are_the_same_graph(object_info: Json) -> None:
    later = graph()
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    later["links"] = [dict(zip(keys, link, strict=True)) for link in later["links"]]
    assert ui_to_api(later, object_info) == ui_to_api(graph(), object_info)


def test_a_converted_graph_runs_and_makes_what_the_same_prompt_makes(
    client: Client, object_info: Json
) -> None:
    prompt = swap_values(ui_to_api(graph(), object_info), NAMES)
    converted = client.run(prompt, workflow=graph()).expect_success()
    by_hand = client.run({**text_to_image(seed=41, steps=3), "save": SAVE}).expect_success()
    pictures = [
        client.image(**run.outputs[key]["images"][0]) for run, key in ((converted, "8"), (by_hand, "save"))
    ]
    assert pictures[0].tobytes() == pictures[1].tobytes()


def test_widgets_newer_than_the_file_get_their_defaults(object_info: Json) -> None:
    older = graph()
    older["nodes"][4]["widgets_values"] = SAMPLER_VALUES[:4]
    inputs = ui_to_api(older, object_info)["5"]["inputs"]
    assert inputs["denoise"] == 1.0
    assert inputs["scheduler"] == object_info["KSampler"]["input"]["required"]["scheduler"][0][0]


def test_a_node_the_server_does_not_have_cannot_be_converted(object_info: Json) -> None:
    unknown = graph()
    unknown["nodes"][3]["type"] = "Vanished"
    with pytest.raises(ValueError, match="node 4: the server has no node 'Vanished'"):
        ui_to_api(unknown, object_info)


def test_sound_workflows_have_no_problems(object_info: Json) -> None:
    named = graph()
    named["nodes"][0]["widgets_values"], named["nodes"][10]["widgets_values"] = [CHECKPOINT], [VAE]
    assert validate(named, object_info) == []
    assert validate({**text_to_image(), "save": SAVE}, object_info) == []


def _set(prompt: Json, key: str, name: str, value: Any) -> None:
    prompt[key]["inputs"][name] = value


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            lambda p: p["save"].update(class_type="Vanished"),
            "node save Vanished: the server has no such node",
        ),
        (lambda p: _set(p, "save", "images", ["absent", 0]), "is linked to node absent, which is not there"),
        (lambda p: _set(p, "save", "images", ["decode", 1]), "VAEDecode (decode) has no output 1"),
        (
            lambda p: _set(p, "save", "images", ["sampler", 0]),
            "wants IMAGE, output 0 of KSampler (sampler) is LATENT",
        ),
        (lambda p: p["save"]["inputs"].pop("images"), "required input 'images' is missing"),
        (lambda p: _set(p, "save", "images", "x.png"), "a IMAGE must come through a link, not as 'x.png'"),
        (lambda p: _set(p, "save", "colour", 1), "has no input 'colour'"),
        (lambda p: _set(p, "sampler", "steps", 0), "steps: 0 is below 1"),
        (lambda p: _set(p, "sampler", "cfg", 200), "cfg: 200 is above 100"),
        (lambda p: _set(p, "sampler", "steps", 2.5), "steps: 2.5 is no integer"),
        (lambda p: _set(p, "sampler", "denoise", "all"), "denoise: 'all' is no number"),
        (
            lambda p: _set(p, "sampler", "sampler_name", "nobody"),
            "sampler_name: 'nobody' is not one of ['euler'",
        ),
        (lambda p: _set(p, "text", "text", 3), "text: 3 is no text"),
        (lambda p: p.pop("save"), "there is no output node: nothing would run"),
    ],
)
def test_each_fault_of_a_prompt_is_found(
    object_info: Json, change: Callable[[Json], object], problem: str
) -> None:
    prompt = copy.deepcopy({**text_to_image(), "save": SAVE})
    change(prompt)
    assert any(problem in found for found in validate(prompt, object_info)), validate(prompt, object_info)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda g: g["nodes"][3].update(type="Vanished"), "node 4 Vanished: the server has no such node"),
        (lambda g: g["nodes"].pop(10), "link 11: node 11 is not there"),
        (lambda g: g["links"].pop(7), "node 8 SaveImage: input 'images' holds link 8, which is not there"),
        (lambda g: g["links"][7].__setitem__(2, 5), "link 8: node 7 VAEDecode has no output 5"),
        (lambda g: g["links"][7].__setitem__(4, 3), "link 8: input 3 of node 8 SaveImage does not hold it"),
        (
            lambda g: g["nodes"][6]["outputs"][0].update(type="MASK"),
            "output 0 is MASK in the file and IMAGE on the",
        ),
        (
            lambda g: g["nodes"][7]["widgets_values"].append(1),
            "has 2 widget values, the server's node has 1 widgets",
        ),
        (lambda g: g["nodes"][4]["widgets_values"].insert(0, 1), "is not one of ['euler'"),
        (
            lambda g: g.update(version=1),
            "ckpt_name: 'some_model.safetensors' is not one of ['tiny_sd3.safetensors']",
        ),
    ],
)
def test_each_fault_of_a_graph_is_found(
    object_info: Json, change: Callable[[Json], object], problem: str
) -> None:
    broken = graph()
    change(broken)
    assert any(problem in found for found in validate(broken, object_info)), validate(broken, object_info)
