"""The training's errors on ComfyUI's own sampling classes: eps, v, EDM, flow, Cosmos and x0 models."""

from __future__ import annotations

import pytest
from host_support.in_process import Ran, run_scenarios
from host_support.install import ComfyUI

FAMILIES = {
    "eps": ("EPS", "STABLE_CASCADE"),
    "v": ("V_PREDICTION", "V_PREDICTION_EDM", "V_PREDICTION_CONTINUOUS"),
    "edm": ("EDM",),
    "v of other data": ("V_PREDICTION_EDM, sigma_data .5",),
    "edm of other data": ("EDM, sigma_data .5",),
    "flow": ("FLOW", "FLOW, shift 3", "FLUX", "FLOW_AV"),
    "flow of louder noise": ("FLOW, noise times 2",),
    "cosmos": ("FLOW_COSMOS",),
    "x0": ("X0",),
    "v of CogVideoX": ("V_PREDICTION_DDPM",),
}
"""Classes by what their network's output means. Newer ones are absent in an older ComfyUI."""

NEWER = {"FLOW_AV", "FLOW, noise times 2", "V_PREDICTION_DDPM"}


@pytest.fixture(scope="module")
def ran(comfyui: ComfyUI, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_scenarios(comfyui, "model_samplings", tmp_path_factory.mktemp("model_samplings"))


def test_the_error_is_that_of_the_velocity(ran: Ran) -> None:
    found = ran["errors"]
    assert {name for names in FAMILIES.values() for name in names} - NEWER <= set(found)
    for name, errors in found.items():
        assert errors["computed"] == pytest.approx(errors["implied"], rel=1e-4), name


@pytest.mark.parametrize("family", FAMILIES)
def test_the_error_is_that_of_no_other_class(ran: Ran, family: str) -> None:
    found = ran["errors"]
    for name in set(FAMILIES[family]) & set(found):
        for other, names in FAMILIES.items():
            for each in set(names) & set(found):
                # The first noise levels are the same for all.
                alike = found[each]["implied"][:4] == pytest.approx(found[name]["computed"][:4], rel=0.01)
                assert alike == (other == family), (name, each)
