"""Building blocks of the shipped workflows: a graph laid out in columns, and recurring nodes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Link = list[Any]

CHECKPOINT = "sd_xl_base_1.0.safetensors"
MODEL_FILES = {
    CHECKPOINT: {
        "name": CHECKPOINT,
        "url": f"https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/resolve/main/{CHECKPOINT}",
        "directory": "checkpoints",
    }
}
"""Public files that workflows name, as pages expect them in a node: whoever lacks one is offered it."""
TASTE = "newest of my_taste"
"""What *Load GAN-RM* is set to: the model that workflow 1 saved last."""
JUDGE = "ganrm_judges/Qwen3-VL-4B-Instruct"

# Heights: pages make room for a preview of 220 below the settings of any node that gets a picture.
KSAMPLER = 490
SAVED = 480
TASTE_SAVED = 350

PROMPT = "portrait of a lighthouse keeper, oil painting, warm evening light"
TRAINING_PROMPTS = """portrait of {a lighthouse keeper|an old fisherman|a girl with a red scarf}, oil painting
{a harbour|a mountain village} at {dawn|night}, watercolour
a fox in {deep snow|tall grass}, evening light
still life with {lemons|old books} on a wooden table"""
TEST_PROMPTS = """portrait of a baker in her shop, oil painting
a narrow street after the rain, evening light
a heron at a lake, watercolour
a cup of coffee beside a window"""
SAMPLING = {"steps": 25, "cfg": 6.0, "sampler_name": "dpmpp_2m", "scheduler": "karras"}
"""As in the other workflows."""

_OURS = "#223844"
_NOTE = "#432"
_TITLE = 30
_GAP = 20
_BETWEEN_COLUMNS = 40
_BETWEEN_GROUPS = 70
_GROUP_HEADER = 56
_GROUP_FONT = 40
_GROUP_COLOUR = "#8fb8c8"
_ZOOM = 0.8
_CLEAR_OF_MENUS = (72, 100)  # CSS pixels that the page's bars take of the canvas's left and top, and a margin


@dataclass(frozen=True)
class Place:
    pos: tuple[int, int]
    size: tuple[int, int]


@dataclass
class Column:
    """A column of nodes; `place` stacks the next node below the others."""

    left: int
    width: int
    bottom: int = -_TITLE - _GAP

    def place(self, height: int) -> Place:
        top = self.bottom + _GAP + _TITLE
        self.bottom = top + height
        return Place((self.left, top), (self.width, height))


@dataclass(frozen=True)
class App:
    """What the page's app view shows of a graph: settings as (node, widget, words), and the nodes whose results appear."""

    settings: tuple[tuple[Node, str, str], ...]
    results: tuple[Node, ...]

    @property
    def layout(self) -> dict[str, Any]:
        labels: dict[str, dict[str, str]] = {}
        for node, widget, words in self.settings:
            labels.setdefault(node.number, {})[widget] = words
        return {
            "app": {
                "inputs": [[int(node.number), widget] for node, widget, _ in self.settings],
                "outputs": [int(node.number) for node in self.results],
            },
            "labels": labels,
        }


@dataclass
class Graph:
    """A prompt in API format with its layout, built node by node in columns from left to right.

    `name` is the file's and the template card's. The card shows `words` and the pictures of `faces`: kinds of
    nodes, or folders; in a corner the picture of `inset`. A graph `like` another shows the first pictures of that
    one's card instead. With `app`, pages that have apps open the graph as one.
    """

    name: str
    words: str = ""
    faces: tuple[str, ...] = ()
    inset: str = ""
    like: str = ""
    app: App | None = None
    prompt: dict[str, dict[str, Any]] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[dict[str, Any]] = field(default_factory=list)
    _groups: list[tuple[str, list[Column]]] = field(default_factory=list)

    def columns(self, *widths: int, group: str = "") -> list[Column]:
        """Columns to the right of those before, in a frame titled `group`."""
        left = 0
        if self._groups:
            last = self._groups[-1][1][-1]
            left = last.left + last.width + (_BETWEEN_GROUPS if group else _BETWEEN_COLUMNS)
        made = []
        for width in widths:
            made.append(Column(left, width))
            left += width + _BETWEEN_COLUMNS
        self._groups.append((group, made))
        return made

    def add(self, kind: str, place: Place, title: str = "", /, **inputs: Any) -> Node:
        """`inputs` are widget values, or outputs of other nodes."""
        number = str(len(self.prompt) + 1)
        self.prompt[number] = {"class_type": kind, "inputs": inputs}
        self.nodes[number] = {"pos": list(place.pos), "size": list(place.size)}
        if models := [
            MODEL_FILES[value] for value in inputs.values() if isinstance(value, str) and value in MODEL_FILES
        ]:
            self.nodes[number]["models"] = models
        if title:
            self.nodes[number]["title"] = title
        if kind.startswith("GANRM"):
            self.nodes[number]["color"] = _OURS
        return Node(number)

    def note(self, place: Place, title: str, *lines: str) -> None:
        """Lines of Markdown headings: the page's body text is too small to read at the zoom the file opens with."""
        self.notes.append(
            {
                "title": title,
                "text": "\n\n".join(lines),
                "pos": list(place.pos),
                "size": list(place.size),
                "color": _NOTE,
            }
        )

    @property
    def layout(self) -> dict[str, Any]:
        return {
            "nodes": self.nodes,
            "notes": self.notes,
            "groups": self._frames(),
            "control_after_generate": "fixed",
            "view": self._view(),
            **(self.app.layout if self.app else {}),
        }

    def _frames(self) -> list[dict[str, Any]]:
        top = -_TITLE - _GROUP_HEADER
        bottom = max(column.bottom for _, columns in self._groups for column in columns) + _GAP
        return [
            {
                "title": title,
                "bounding": [
                    columns[0].left - _GAP,
                    top,
                    columns[-1].left + columns[-1].width - columns[0].left + 2 * _GAP,
                    bottom - top,
                ],
                "color": _GROUP_COLOUR,
                "font_size": _GROUP_FONT,
            }
            for title, columns in self._groups
            if title
        ]

    def _view(self) -> dict[str, Any]:
        """Zoom and offset with which pages open the file: the note in the top left corner, clear of their bars."""
        framed = any(title for title, _ in self._groups)
        left, top = (-_GAP, -_TITLE - _GROUP_HEADER) if framed else (0, -_TITLE)
        x, y = (room / _ZOOM for room in _CLEAR_OF_MENUS)
        return {"scale": _ZOOM, "offset": [x - left, y - top]}


@dataclass(frozen=True)
class Node:
    number: str

    def __getitem__(self, output: int) -> Link:
        return [self.number, output]


@dataclass(frozen=True)
class Source:
    """What a sampler takes; `settings` are the steps, cfg, sampler and scheduler that suit the model."""

    model: Link
    vae: Link
    positive: Link
    negative: Link
    latent: Link
    settings: dict[str, Any]


@dataclass(frozen=True)
class Sampled(Source):
    latents: Node
    images: Node


def loaded(graph: Graph, first: Column, second: Column, *, batch: int, text: Link | str = PROMPT) -> Source:
    """Checkpoint and size in the first column, prompts in the second; `text` is the positive one, or a link to it."""
    model = graph.add("CheckpointLoaderSimple", first.place(130), ckpt_name=CHECKPOINT)
    positive = graph.add(
        "CLIPTextEncode",
        second.place(130),
        "What you want" if isinstance(text, str) else "For the generator",
        clip=model[1],
        text=text,
    )
    negative = graph.add(
        "CLIPTextEncode",
        second.place(102),
        "What you do not want",
        clip=model[1],
        text="blurry, watermark",
    )
    title = "How many" if batch > 1 else "How large"
    empty = graph.add("EmptyLatentImage", first.place(118), title, width=1024, height=1024, batch_size=batch)
    return Source(model[0], model[2], positive[0], negative[0], empty[0], SAMPLING)


def ksampler(
    graph: Graph, first: Column, second: Column, *, batch: int, text: Link | str = PROMPT
) -> Sampled:
    return sampled(graph, loaded(graph, first, second, batch=batch, text=text), second, decoded=first)


def sampled(graph: Graph, source: Source, column: Column, *, decoded: Column) -> Sampled:
    """KSampler, and its pictures decoded in the column `decoded`."""
    latents = graph.add("KSampler", column.place(KSAMPLER), **sampling(source))
    images = graph.add("VAEDecode", decoded.place(54), samples=latents[0], vae=source.vae)
    return Sampled(**vars(source), latents=latents, images=images)


def sampling(source: Source, **other: Any) -> dict[str, Any]:
    """The inputs of a KSampler, and of the Best-of-N Sampler as far as they are the same; `other` replaces some."""
    return {
        "model": source.model,
        "seed": 42,
        **source.settings,
        "positive": source.positive,
        "negative": source.negative,
        "latent_image": source.latent,
        "denoise": 1.0,
        **other,
    }


def best_of_n_sampler(graph: Graph, place: Place, source: Source, taste: Node, *, n: int, keep: int) -> Node:
    return graph.add(
        "GANRMBestOfNSampler",
        place,
        **sampling(source),
        **best_of_n_settings(source, taste, n=n, keep=keep),
    )


def best_of_n_settings(
    source: Source, taste: Node, *, n: int, keep: int, pruning: str = "standard"
) -> dict[str, Any]:
    return {
        "vae": source.vae,
        "reward": taste[0],
        "n": n,
        "keep": keep,
        "pruning": pruning,
        "custom_pruning": "",
        "look_with": "vae",
        "together": 1,
        "stop_below": 0.0,
        "round_size": 4,
        "search": "best of n",
        "path": "",
    }


def prompts(graph: Graph, place: Place, title: str, model: Node, text: str) -> Node:
    return graph.add(
        "GANRMPrompts",
        place,
        title,
        clip=model[1],
        text=text,
        file="none",
        negative="blurry, watermark",
        choices="all combinations",
        seed=0,
        most=200,
    )


def train_on_groups(graph: Graph, place: Place, model: Node, groups: Node, reward: Node) -> Node:
    return graph.add(
        "GANRMTrainOnGroups",
        place,
        model=model[0],
        groups=groups[0],
        method="best",
        steps=400,
        learning_rate=0.0,
        rank=16,
        seed=0,
        keep=0,
        beta=0.0,
        safeguard=0.9,
        layers="attention",
        alpha=0.0,
        batch=8,
        micro_batch=4,
        checkpointing="auto",
        previews=True,
        start_file="none",
        vae=model[2],
        reward=reward[0],
    )


def adversarial_training(graph: Graph, place: Place, model: Node, prompts: Node, **inputs: Any) -> Node:
    """`inputs`: reward, references, latent_image, and widgets with other values than usual."""
    usual: dict[str, Any] = {
        "seed": 0,
        **SAMPLING,
        "method": "nft",
        "rounds": 32,
        "groups": 4,
        "pictures": 16,
        "refresh": True,
        "patches": False,
        "anchor": 0.1,
        "learning_rate": 0.0001,
        "rank": 16,
        "keep_close": 0.5,
        "watch_every": 4,
        "watched": 16,
        "layers": "attention",
        "alpha": 0.0,
        "micro_batch": 4,
        "checkpointing": "auto",
        "start_file": "none",
    }
    return graph.add(
        "GANRMAdversarialTraining",
        place,
        model=model[0],
        prompts=prompts[0],
        vae=model[2],
        **{**usual, **inputs},
    )


def image_folder(graph: Graph, column: Column, folder: str, title: str) -> Node:
    return graph.add(
        "GANRMImageFolder", column.place(170), title, folder=folder, recursive=False, rating="any"
    )


def train(graph: Graph, place: Place, liked: Link, ordinary: Link) -> Node:
    return graph.add(
        "GANRMTrain",
        place,
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


def save_model(graph: Graph, place: Place, reward: Link) -> Node:
    return graph.add("GANRMSaveModel", place, reward=reward, name="my_taste", if_exists="add a number")


def load_model(graph: Graph, place: Place, title: str = "Your taste") -> Node:
    return graph.add("GANRMLoadModel", place, title, model=TASTE)


def vision_language_judge(graph: Graph, place: Place) -> Node:
    return graph.add(
        "GANRMVisionLanguageReward",
        place,
        model=JUDGE,
        criterion="prompt fit",
        instruction="",
        answer="yes or no",
        reason="answer first",
        reference_choice="all",
        pictures_per_call=1,
        reason_length=120,
    )


def best_of_n(
    graph: Graph, place: Place, images: Node, reward: Node | None, *, keep: int, **more: Link
) -> Node:
    """Without a reward, `more` has given_scores."""
    judged: dict[str, Link] = {"reward": reward[0]} if reward else {}
    return graph.add(
        "GANRMBestOfN",
        place,
        images=images[0],
        keep=keep,
        group_size=0,
        min_score=0.0,
        min_keep=0,
        order="ranked",
        candidate="each image",
        **judged,
        ties="by score",
        pick="",
        **more,
    )


def best_and_rejected(graph: Graph, made: Sampled, taste: Node) -> None:
    """Two columns more: the best four saved, the others shown."""
    ranked, kept = graph.columns(500, 400)
    best = best_of_n(graph, ranked.place(1000), made.images, taste, keep=4, latents=made.latents[0])
    save_best(graph, kept.place(SAVED), best, taste)
    graph.add("PreviewImage", kept.place(406), "Rejected, best to worst", images=best[3])


def sampled_best(graph: Graph, saved: Column, source: Source, taste: Node) -> None:
    """One column more: the sampler, which begins 16; its best four are saved in the column `saved`."""
    (wide,) = graph.columns(540)
    best = best_of_n_sampler(graph, wide.place(1100), source, taste, n=16, keep=4)
    save_best(graph, saved.place(568), best, taste)


def save_best(graph: Graph, place: Place, best: Node, reward: Node) -> Node:
    """What the *Best of N* node or the *Best-of-N Sampler* `best` keeps, with its scores."""
    more: dict[str, Link] = {}
    if graph.prompt[best.number]["class_type"] == "GANRMBestOfN":
        images, indices, scores = best[0], best[5], best[6]
    else:
        images, scores, indices, more = best[1], best[2], best[4], {"seed": best[3], "paths": best[7]}
    return graph.add(
        "GANRMSaveImages",
        place,
        images=images,
        filename_prefix="GAN-RM/best_%score%",
        format="png",
        quality=95,
        scores=scores,
        indices=indices,
        reward=reward[0],
        star_rating=False,
        **more,
    )
