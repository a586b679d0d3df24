"""Node "Save LoRA": keeps a trained LoRA in models/loras, where every LoRA loader finds it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from comfy_api.latest import io
from torch import Tensor

from ...ganrm_core.utils.errors import DataError
from ...ganrm_core.utils.file_names import fitting_name, numbers
from ...ganrm_core.utils.files import check_new_file, write_new_file
from ..display.previews import in_node
from ..display.shared_inputs import output
from ..files.saved_card import saved_card
from ..host import model_files
from ..sockets import CATEGORY, EXPERIMENTAL, Schema, aliases

_PROPOSED = "my_taste_lora"


class SaveLora(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return Schema(
            node_id="GANRMSaveLora",
            display_name="Save LoRA (GAN-RM)",
            search_aliases=aliases(
                "save lora export weights 保存",
                "export lora",
            ),
            category=CATEGORY,
            description="Keeps a LoRA in models/loras, where Load LoRA finds it after pressing R. If Compare Models says that "
            "it is not worth keeping, nothing is saved. Nothing is ever overwritten.",
            is_output_node=True,
            **EXPERIMENTAL,
            inputs=[
                io.LoraModel.Input("lora", tooltip="From Train LoRA on Groups, or ComfyUI's own Train LoRA."),
                io.String.Input(
                    "name",
                    default=_PROPOSED,
                    tooltip="What the file is called; may name a subfolder. If the name is taken, a number is added.",
                ),
                io.Boolean.Input(
                    "keep",
                    default=True,
                    optional=True,
                    tooltip="Connect the output keep of Compare Models: then only a LoRA that is worth it is saved.",
                ),
                io.String.Input(
                    "about",
                    optional=True,
                    force_input=True,
                    tooltip="A text that is written into the file, such as the summary of the training.",
                ),
            ],
            outputs=[
                output(io.String, "path", "The file's name, as Load LoRA shows it; empty if it was not kept.")
            ],
        )

    @classmethod
    def validate_inputs(cls, name: str | None = None) -> bool:
        """Refuses a bad name before the training, not after it."""
        if name is not None:  # else it comes over a link
            model_files.new_lora_path(name)
        return True

    @classmethod
    def execute(  # type: ignore[override]
        cls, lora: Mapping[str, Tensor], name: str, keep: bool = True, about: str = ""
    ) -> io.NodeOutput:
        wanted = model_files.new_lora_path(name)
        if not keep:
            return _result("Not saved", wanted.stem, "", "The comparison advises against this LoRA.")
        if not lora:
            raise DataError("This LoRA holds no weights, so there is nothing to save. Train it again.")
        saved, is_new = _save(wanted, _content(lora, about))
        path = saved.relative_to(model_files.lora_folder()).as_posix()
        return _result("Saved as" if is_new else "Kept already as", path, path)


def _content(lora: Mapping[str, Tensor], about: str) -> bytes:
    """A safetensors file; equal LoRAs give equal bytes."""
    from safetensors.torch import save

    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in sorted(lora.items())}
    content: bytes = save(tensors, metadata={"ganrm": about} if about else None)
    return content


def _save(path: Path, content: bytes) -> tuple[Path, bool]:
    """The file, and whether it is new: what is saved already is not saved again."""
    if kept := _identical_file(path, content):
        return kept, False
    if not path.exists():
        check_new_file(path, what="the LoRA", make_folders=True)
    return write_new_file(path, content), True


def _identical_file(path: Path, content: bytes) -> Path | None:
    """`path`, or `path` with a number, if it holds `content` already."""
    for number in numbers():
        there = path.with_name(fitting_name(path.parent, path.stem, f"{number}{path.suffix}"))
        if not there.is_file():
            break
        if there.stat().st_size == len(content) and there.read_bytes() == content:
            return there
    return None


def _result(head: str, name: str, path: str, note: str = "") -> io.NodeOutput:
    text = " ".join(part for part in (f"{head} {name}.", note) if part)
    return io.NodeOutput(path, ui=in_node(saved_card(head, name, "", note), text=[text], path=[path]))
