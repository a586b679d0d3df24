"""What the shipped workflows are built of: a graph with its layout, and the nodes that stand in several."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Link = list[Any]

_OURS = "#223844"
_NOTE = "#432"


@dataclass
class Graph:
    """A prompt in API format with its layout, built node by node.

    `face` is the kind of the node whose picture stands for the workflow in the template browser.
    """

    name: str
    face: str = ""
    prompt: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self, kind: str, at: tuple[int, int], size: tuple[int, int], title: str = "", **inputs: Any
    ) -> Node:
        """`inputs` are widget values, or outputs of other nodes."""
        number = str(len(self.prompt) + 1)
        self.prompt[number] = {"class_type": kind, "inputs": inputs}
        self.nodes[number] = {"pos": list(at), "size": list(size)}
        if title:
            self.nodes[number]["title"] = title
        if kind.startswith("GANRM"):
            self.nodes[number]["color"] = _OURS
        return Node(number)

    def note(self, at: tuple[int, int], size: tuple[int, int], text: str) -> None:
        self.notes.append({"text": text, "pos": list(at), "size": list(size), "color": _NOTE})

    @property
    def layout(self) -> dict[str, Any]:
        return {"nodes": self.nodes, "notes": self.notes, "control_after_generate": "fixed"}


@dataclass(frozen=True)
class Node:
    number: str

    def __getitem__(self, output: int) -> Link:
        return [self.number, output]


@dataclass(frozen=True)
class Source:
    model: Node
    positive: Node
    negative: Node
    empty: Node


@dataclass(frozen=True)
class Sampled(Source):
    latents: Node
    images: Node


def loaded(graph: Graph, *, batch: int, top: int = 0) -> Source:
    model = graph.add("CheckpointLoaderSimple", (0, top), (360, 110), ckpt_name="sd_xl_base_1.0.safetensors")
    positive = graph.add(
        "CLIPTextEncode",
        (400, top),
        (340, 180),
        "What you want",
        clip=model[1],
        text="portrait of a lighthouse keeper, oil painting, warm evening light",
    )
    negative = graph.add(
        "CLIPTextEncode",
        (400, top + 230),
        (340, 130),
        "What you do not want",
        clip=model[1],
        text="blurry, watermark",
    )
    title = "How many" if batch > 1 else "How large"
    empty = graph.add(
        "EmptyLatentImage", (0, top + 160), (360, 120), title, width=1024, height=1024, batch_size=batch
    )
    return Source(model, positive, negative, empty)


def ksampler(graph: Graph, *, batch: int, top: int = 0) -> Sampled:
    source = loaded(graph, batch=batch, top=top)
    latents = graph.add(
        "KSampler",
        (780, top),
        (320, 280),
        **sampling(source),
    )
    images = graph.add("VAEDecode", (780, top + 560), (320, 60), samples=latents[0], vae=source.model[2])
    return Sampled(source.model, source.positive, source.negative, source.empty, latents, images)


def sampling(source: Source, **other: Any) -> dict[str, Any]:
    """The inputs of a KSampler, and of the Best-of-N Sampler as far as they are the same; `other` replaces some."""
    return {
        "model": source.model[0],
        "seed": 42,
        "steps": 25,
        "cfg": 6.0,
        "sampler_name": "dpmpp_2m",
        "scheduler": "karras",
        "positive": source.positive[0],
        "negative": source.negative[0],
        "latent_image": source.empty[0],
        "denoise": 1.0,
        **other,
    }


def best_of_n_sampler(
    graph: Graph, at: tuple[int, int], source: Source, taste: Node, *, n: int, keep: int
) -> Node:
    return graph.add(
        "GANRMBestOfNSampler",
        at,
        (560, 1040),
        **sampling(source),
        **best_of_n_settings(source, taste, n=n, keep=keep),
    )


def best_of_n_settings(
    source: Source, taste: Node, *, n: int, keep: int, pruning: str = "standard"
) -> dict[str, Any]:
    return {
        "vae": source.model[2],
        "reward": taste[0],
        "n": n,
        "keep": keep,
        "pruning": pruning,
        "custom_pruning": "",
        "look_with": "vae",
        "together": 1,
        "stop_below": 0.0,
        "round_size": 4,
    }


def image_folder(graph: Graph, at: tuple[int, int], folder: str, title: str) -> Node:
    return graph.add("GANRMImageFolder", at, (360, 110), title, folder=folder, recursive=False)


def train(graph: Graph, at: tuple[int, int], liked: Link, ordinary: Link) -> Node:
    return graph.add(
        "GANRMTrain",
        at,
        (520, 660),
        liked=liked,
        ordinary=ordinary,
        name="my_taste",
        backbone="efficientnet_lite0",
        preset="default",
        adapt="none",
        views=4,
        seed=0,
        neutralise="auto",
    )


def save_model(graph: Graph, at: tuple[int, int], reward: Link) -> Node:
    return graph.add("GANRMSaveModel", at, (360, 110), reward=reward, name="my_taste")


def load_model(graph: Graph, at: tuple[int, int], title: str = "Your taste") -> Node:
    return graph.add("GANRMLoadModel", at, (360, 90), title, model="my_taste.safetensors")


def best_of_n(
    graph: Graph, at: tuple[int, int], images: Node, reward: Node, *, keep: int, **more: Link
) -> Node:
    return graph.add(
        "GANRMBestOfN",
        at,
        (520, 940),
        images=images[0],
        keep=keep,
        group_size=0,
        min_score=0.0,
        min_keep=0,
        order="ranked",
        candidate="each image",
        reward=reward[0],
        ties="by score",
        **more,
    )


def save_best(graph: Graph, at: tuple[int, int], best: Node, reward: Node) -> Node:
    """What the *Best of N* node or the *Best-of-N Sampler* `best` keeps, with its scores."""
    more: dict[str, Link] = {}
    if graph.prompt[best.number]["class_type"] == "GANRMBestOfN":
        images, indices, scores = best[0], best[5], best[6]
    else:
        images, scores, indices, more = best[1], best[2], best[4], {"seed": best[3]}
    return graph.add(
        "GANRMSaveImages",
        at,
        (420, 440),
        images=images,
        filename_prefix="GAN-RM/best",
        format="png",
        quality=95,
        scores=scores,
        indices=indices,
        reward=reward[0],
        **more,
    )
