"""Peak activation memory per image: python benchmarks/activations.py [backbone …]

Peak memory of `FeatureExtractor` on ready pixels (second look and tap statistics included), by torch's profiler, in
MB and as a multiple of the image's float32 input. `Backbone.bytes_per_picture` must be larger. Batches of the built-
in backbone and, with random weights, of the shapes of `scoring_speed.py`; bytes do not depend on the machine."""

from __future__ import annotations

import argparse

import torch
from alive import most_alive
from scoring_speed import VITS, prepared

from ganrm_core.rewards.discriminator.feature_extractor import FeatureExtractor
from ganrm_core.rewards.discriminator.readout import default_readout


def main() -> None:
    parser = argparse.ArgumentParser(description="What does one picture of a batch take in memory?")
    names = ("efficientnet_lite0", *VITS)
    parser.add_argument("names", nargs="*", default=names, help=f"all of {', '.join(names)}")
    options = parser.parse_args()
    print(f"{'backbone':<20}{'MB':>8}{'× input':>9}{'reserved':>10}")
    for name in options.names:
        with prepared(name, "cpu") as (backbone, _):
            reader = FeatureExtractor(backbone, default_readout(backbone.spec))
            batch = torch.rand(reader.batch_size, 3, backbone.spec.input_size, backbone.spec.input_size)
            taken = most_alive(lambda reader=reader, batch=batch: reader(batch)) / len(batch)
            times = taken / batch[0].nbytes
            reserved = backbone.bytes_per_picture / batch[0].nbytes
            print(f"{name:<20}{taken / 2**20:>8.1f}{times:>9.1f}{reserved:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
