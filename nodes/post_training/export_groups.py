"""Node "Export Groups": the best pictures of groups, or pairs of better and worse, as another trainer's training set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from comfy_api.latest import io
from PIL import Image

from ...ganrm_core.post_training.export import (
    LAYOUTS,
    WHATS,
    Export,
    ExportSettings,
    Layout,
    What,
    how_to_use,
    plan_export,
)
from ...ganrm_core.post_training.groups import Group, Groups
from ...ganrm_core.reports.numbered_sheet import Numbered, numbered_sheet
from ...ganrm_core.reports.score_format import score_text
from ...ganrm_core.utils.errors import DataError, GanRMError
from ...ganrm_core.utils.progress import Progress, ProgressCallback
from ..display.empty_outputs import blocked
from ..display.previews import in_node
from ..display.queue_checks import known
from ..display.shared_inputs import output
from ..files.pixel_files import as_saved
from ..host import folders
from ..host.fingerprints import folder_fingerprint
from ..host.progress import progress_bar
from ..host.training.fingerprints import known_fingerprint
from ..host.training.prompt_set import PromptedGroups
from ..host.training.rollouts import decoded
from ..sockets import CATEGORY, EXPERIMENTAL, Dataset, GanRMDataset, GanRMGroups, Schema, advanced, aliases
from .export_folder import Item, Sample, Written, write_export

_THUMBNAIL, _SHOWN = 384, 64


class ExportGroups(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMExportGroups",
            display_name="Export Groups (GAN-RM)",
            search_aliases=aliases(
                "export dataset captions kohya onetrainer diffusers dpo pairs preference 导出 数据集",
                "preference dataset",
                "export training data",
            ),
            category=CATEGORY,
            description="Writes what Train LoRA on Groups would learn from as a training set with captions, for those who "
            "train with kohya's sd-scripts, OneTrainer or diffusers.",
            is_output_node=True,
            **EXPERIMENTAL,
            inputs=_inputs(),
            outputs=[
                output(io.String, "files", "The paths of all files of the export.", is_list=True),
                output(io.Int, "count", "How many pictures or pairs it has."),
                output(
                    GanRMDataset,
                    "dataset",
                    "The better pictures, such as for training the next taste. Waits where they lie in a table.",
                ),
                output(io.String, "summary", "What was written where, and what to enter in the trainer."),
            ],
        )

    @classmethod
    def validate_inputs(
        cls,
        folder: str | None = None,
        layout: str | None = None,
        what: str | None = None,
        keep: int | None = None,
        repeats: int | None = None,
    ) -> bool:
        folders.new_folder(known(folder, "any"), "the export", default="output")
        if None not in (layout, what):
            _settings(layout, what, known(keep, 1), known(repeats, 1))
        return True

    @classmethod
    def fingerprint_inputs(cls, folder: str | None = None, **_: Any) -> str:
        if folder is None:
            return "linked"
        try:
            place = folders.new_folder(folder, "the export", default="output")
            return folder_fingerprint(folders.shown_name(place), True)
        except (GanRMError, OSError, ValueError) as error:
            return str(error)

    @classmethod
    def execute(  # type: ignore[override]
        cls,
        groups: PromptedGroups,
        vae: Any,
        folder: str,
        layout: Layout,
        what: What,
        keep: int,
        repeats: int,
    ) -> io.NodeOutput:
        settings = _settings(layout, what, keep, repeats)
        wanted = folders.new_folder(folder, "the export", default="output")
        _check_vae(groups.groups, vae)
        plan = plan_export(groups.groups, settings)
        shown: list[Numbered] = []
        items = _items(groups.groups, vae, plan, shown, progress_bar())
        written = write_export(wanted, items, settings)
        name = folders.shown_name(written.folder)
        summary = _summary(plan, settings, written, name)
        sheet = numbered_sheet(shown, title=summary, most=_SHOWN)
        files, count = [str(path) for path in written.files], len(plan.examples)
        dataset = Dataset(written.better, name) if written.better else blocked()
        ui = in_node(sheet, files=files, count=[count], folder=[str(written.folder)], summary=[summary])
        return io.NodeOutput(files, count, dataset, summary, ui=ui)


def _inputs() -> list[io.Input]:
    return [
        GanRMGroups.Input("groups", tooltip="From Make Groups."),
        io.Vae.Input("vae", tooltip="Decodes the pictures: the one that the groups were made with."),
        io.String.Input(
            "folder",
            default="GAN-RM/groups",
            tooltip="A new folder in the output folder; datasets/<name> lies among your datasets. If it exists, the export "
            "goes to a numbered one beside it; the same pictures are not written twice.",
        ),
        io.Combo.Input(
            "layout",
            options=list(LAYOUTS),
            default=LAYOUTS[0],
            tooltip="Whose training set. kohya: sd-scripts and what is built on it. diffusers: Hugging Face's example scripts.",
        ),
        io.Combo.Input(
            "what",
            options=list(WHATS),
            default=WHATS[0],
            tooltip="best: the best pictures with captions. pairs: each with a worse one of the same prompt, for DPO, which "
            "kohya's scripts do not know.",
        ),
        io.Int.Input(
            "keep",
            default=2,
            min=1,
            max=1024,
            tooltip="How many pictures or pairs of each group; at most half of it counts as best.",
        ),
        advanced(
            io.Int.Input(
                "repeats",
                default=10,
                min=1,
                max=10_000,
                tooltip="Of kohya: how often each picture comes in one epoch. Part of the folder's name.",
            )
        ),
    ]


def _settings(layout: Any, what: Any, keep: int, repeats: int) -> ExportSettings:
    return ExportSettings(layout=layout, what=what, keep=keep, repeats=repeats)


def _check_vae(groups: Groups, vae: Any) -> None:
    try:
        same = not groups.vae or known_fingerprint("vae", vae) == groups.vae
    except (AttributeError, LookupError, TypeError, ValueError):
        return  # another pack's, not built like core's: nothing is known of it
    if not same:
        raise DataError(
            "The groups were made with another VAE, so these pictures would not be those that were scored. Connect the "
            "VAE that made them."
        )


def _items(
    groups: Groups, vae: Any, plan: Export, shown: list[Numbered], progress: ProgressCallback
) -> Iterator[Item]:
    """Decoded one by one, so that memory does not grow; what the sheet draws is added to `shown`."""
    count = len(plan.examples)
    for number, (example, text) in enumerate(zip(plan.examples, plan.captions, strict=True)):
        progress(Progress("Exporting", number, count))
        group = groups.groups[example.group]
        places = [example.sample] if example.worse is None else [example.sample, example.worse]
        samples = _samples(group, vae, places)
        if len(shown) < _SHOWN:
            shown += [_tile(sample, number, better=not i) for i, sample in enumerate(samples)]
        yield Item(samples[0], samples[1] if example.worse is not None else None, text)
    progress(Progress("Exporting", count, count))


def _samples(group: Group, vae: Any, places: Sequence[int]) -> list[Sample]:
    pictures = decoded(vae, group.latents[places])
    return [
        Sample(as_saved(picture, i, len(places)), float(group.scores[place]), group.seeds[place])
        for i, (picture, place) in enumerate(zip(pictures, places, strict=True))
    ]


def _tile(sample: Sample, number: int, *, better: bool) -> Numbered:
    small: Image.Image = sample.picture.copy()
    small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    score = score_text(sample.score)
    return Numbered(small, number + 1, "" if better else "worse", marked=better, score=score)


def _summary(plan: Export, settings: ExportSettings, written: Written, name: str) -> str:
    count = len(plan.examples)
    kind = "pair" if settings.what == "pairs" else "picture"
    counted = f"1 {kind}" if count == 1 else f"{count} {kind}s"
    sentences = [
        f"{counted} written to {name}."
        if written.new
        else f"{counted} are in {name} already: nothing written.",
        f"{how_to_use(settings, str(written.folder))}.",
    ]
    if plan.skipped:
        sentences.append(f"Groups left out, since their scores are alike: {plan.skipped}.")
    if plan.dropped:
        sentences.append(f"Embeddings left out of the captions: {plan.dropped}.")
    return " ".join(sentences)
