"""Which distance groups the shots of a burst: python -m benchmarks.bursts [--pictures 150] [--vectors FILE]

Pictures stand for scenes. Every third of the demo's gets variants in five grades, from another export to shots seconds apart: the
camera moves (shift, turn, zoom), the light changes, parts of the scene move (smooth local warps up to so much of the side), and
the file is saved again. So do graphics of one kind and style, which differ in little but are different pictures. Measures:

  signature   `data.near_duplicates.signature`, which needs no network
  scene       `scene_embedding.py`: the deepest convolution of EfficientNet-Lite0, which scoring reads anyway
  embedding   the network's own embedding layer, centred likewise
  both        mean of the similarities by signature and by scene

The pictures are split in two, near-copies together. The first half of a kind centres its embeddings, as the pictures a model was
trained on do, and the first halves of all kinds give each measure its threshold: the lowest, in steps of .01, that joins at most
one in 10,000 pairs of different pictures. Best is the measure that then finds the most shots of the last three grades. The tables
are of the second halves, which had no say: `wrong` are joined pairs of different pictures, the other columns the share of shots
found in each grade.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.burst_shots import GRADES, graphics, photographs, variant
from benchmarks.scene_embedding import SceneEmbedding, scene_columns
from ganrm_core.backbones.registry import DEFAULT_BACKBONE, load_backbone
from ganrm_core.data.image_io import to_float
from ganrm_core.data.near_duplicates import BURST, THRESHOLD, group_near_duplicates, signature
from ganrm_core.data.transforms import resize
from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import Readout
from ganrm_core.synthetic.drawings import KINDS

Floats = NDArray[np.float32]

DEMO = "demo"
MEASURES = ("signature", "scene", "embedding", "both")
_BURST_GRADES = GRADES[2:]
_WRONG = 1e-4
_STEP = 100  # thresholds in hundredths
_SCENE_WIDTH = 320


@dataclass(frozen=True)
class Kind:
    """Signatures and features of pictures [N, …], and of the shots of those at `shown` by grade [M, …]."""

    signatures: Floats
    features: Tensor
    shown: NDArray[np.int64]
    shots: dict[str, tuple[Floats, Tensor]]

    @property
    def half(self) -> NDArray[np.int64]:
        """0 or 1 for each picture; near-copies in one."""
        groups: NDArray[np.int64] = group_near_duplicates(self.signatures) % 2
        return groups


@dataclass(frozen=True)
class Similar:
    """Cosine similarities of one measure in one half: of different pictures, and of shots with theirs by grade."""

    different: Floats
    found: dict[str, Floats]

    def threshold(self) -> float:
        """The lowest, in steps, that joins at most `_WRONG` of the different pairs."""
        ordered = np.sort(self.different)[::-1]
        return float(np.floor(ordered[int(_WRONG * len(ordered))] * _STEP) + 1) / _STEP

    def share(self, threshold: float) -> float:
        """Of the shots of the burst grades, those found."""
        return float(np.mean([(self.found[grade] >= threshold).mean() for grade in _BURST_GRADES]))

    def line(self, threshold: float) -> str:
        shares = "".join(
            f"{100 * float((self.found[grade] >= threshold).mean()):>8.0f}%"
            if grade in self.found
            else f"{'':>9}"
            for grade in GRADES
        )
        wrong = int((self.different >= threshold).sum())
        return f"{threshold:>9.2f}{wrong:>7,} of {len(self.different):>6,}{shares}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Which distance groups the shots of a burst?")
    parser.add_argument(
        "--pictures", type=int, default=150, help="of the demo's, evenly chosen (default 150)"
    )
    parser.add_argument(
        "--every", type=int, default=3, help="of so many demo pictures one gets shots (default 3)"
    )
    parser.add_argument("--graphics", type=int, default=16, help="of each kind; half get shots (default 16)")
    parser.add_argument(
        "--vectors", type=Path, metavar="FILE", help=".npz to keep vectors in, or take them from"
    )
    options = parser.parse_args()
    kinds = _stored(options.vectors) if options.vectors and options.vectors.exists() else _extracted(options)
    if options.vectors and not options.vectors.exists():
        _write(options.vectors, kinds)
    first = {measure: _pooled(kinds, measure, 0) for measure in MEASURES}
    thresholds = {measure: similar.threshold() for measure, similar in first.items()}
    best = max(MEASURES, key=lambda measure: first[measure].share(thresholds[measure]))
    shares = ", ".join(f"{name} {100 * first[name].share(thresholds[name]):.0f}%" for name in MEASURES)
    print(f"Chosen on the first half: {best} at {thresholds[best]:.2f} (shots found: {shares}).\n")
    for kind in kinds:
        print(f"{kind + ', second half':<28}{'at':>9}{'wrong':>17}" + "".join(f"{g:>9}" for g in GRADES))
        for measure in MEASURES:
            second = _similar(kinds, kind, measure, 1)
            used = (THRESHOLD, BURST) if measure == "signature" else ()
            for threshold in sorted({thresholds[measure], *used}):
                print(f"  {measure:<26}{second.line(threshold)}")


def _pooled(kinds: dict[str, Kind], measure: str, half: int) -> Similar:
    """Of all kinds; pairs are of one kind."""
    parts = [_similar(kinds, name, measure, half) for name in kinds]
    found = {
        grade: np.concatenate([part.found[grade] for part in parts if grade in part.found])
        for grade in GRADES
    }
    return Similar(np.concatenate([part.different for part in parts]), found)


def _similar(kinds: dict[str, Kind], name: str, measure: str, half: int) -> Similar:
    kind = kinds[name]
    centre = kind.features[torch.from_numpy(kind.half == 0)].mean(dim=0)
    originals = _vectors(measure, kind.signatures, kind.features, centre)
    inside = kind.half == half
    same = kind.signatures @ kind.signatures.T >= THRESHOLD  # edits of one picture are not counted
    pairs = np.triu(~same & inside[:, None] & inside, 1)
    shown = kind.shown[inside[kind.shown]]
    found = {
        grade: np.einsum("nd,nd->n", originals[shown], _vectors(measure, *shots, centre)[inside[kind.shown]])
        for grade, shots in kind.shots.items()
    }
    return Similar((originals @ originals.T)[pairs], found)


def _vectors(measure: str, signatures: Floats, features: Tensor, centre: Tensor) -> Floats:
    """Unit vectors whose products are the similarities."""
    if measure == "signature":
        return signatures
    if measure == "both":
        scene = _vectors("scene", signatures, features, centre)
        return np.concatenate([signatures, scene], axis=1) / np.float32(2**0.5)
    start, stop = _columns(measure, features.shape[1])
    vectors: Floats = SceneEmbedding(start, stop, centre[start:stop])(features).numpy()
    return vectors


def _columns(measure: str, width: int) -> tuple[int, int]:
    return (0, _SCENE_WIDTH) if measure == "scene" else (2 * _SCENE_WIDTH, width)


def _extracted(options: argparse.Namespace) -> dict[str, Kind]:
    torch.manual_seed(0)
    pictures = photographs(options.pictures)
    reader = _reader()
    kinds = {DEMO: _kind(reader, pictures, range(0, len(pictures), options.every), GRADES)}
    for name in KINDS:
        drawn = graphics(name, options.graphics)
        kinds[name] = _kind(reader, drawn, range(options.graphics // 2), _BURST_GRADES)
    return kinds


def _reader() -> FeatureExtractor:
    backbone = load_backbone(DEFAULT_BACKBONE)
    deepest, embedding = backbone.spec.taps[-2].name, backbone.spec.embedding
    reader = FeatureExtractor(backbone, Readout((deepest, embedding)))
    assert scene_columns(reader.readout, backbone.spec) == (0, _SCENE_WIDTH)
    return reader


def _kind(reader: FeatureExtractor, pictures: Sequence[Tensor], shown: range, grades: Sequence[str]) -> Kind:
    signatures, features = _read_by(reader, pictures)
    shots = {}
    for grade in grades:
        number = GRADES.index(grade)
        shots[grade] = _read_by(reader, [variant(pictures[place], number) for place in shown])
    return Kind(signatures, features, np.array(shown), shots)


def _read_by(reader: FeatureExtractor, pictures: Sequence[Tensor]) -> tuple[Floats, Tensor]:
    size = reader.backbone.spec.input_size
    parts = reader.in_groups(
        pictures, lambda some: reader(torch.stack([resize(to_float(each), size) for each in some])).cpu()
    )
    return np.stack([signature(each) for each in pictures]), torch.cat(list(parts))


def _write(path: Path, kinds: Mapping[str, Kind]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, kind in kinds.items():
        arrays[f"{name}/shown"] = kind.shown
        for grade, (signatures, features) in {"": (kind.signatures, kind.features), **kind.shots}.items():
            arrays |= {f"{name}/{grade}/signatures": signatures, f"{name}/{grade}/features": features.numpy()}
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _stored(path: Path) -> dict[str, Kind]:
    with np.load(path) as stored:
        arrays = dict(stored)

    def of(name: str, grade: str) -> tuple[Floats, Tensor]:
        about = f"{name}/{grade}"
        return arrays[f"{about}/signatures"], torch.from_numpy(arrays[f"{about}/features"])

    return {
        name: Kind(
            *of(name, ""),
            arrays[f"{name}/shown"],
            {grade: of(name, grade) for grade in GRADES if f"{name}/{grade}/features" in arrays},
        )
        for name in (DEMO, *KINDS)
    }


if __name__ == "__main__":
    main()
