"""Scalings of five parameterisations against their formulas, and the losses' gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from unit_support.toy_generator import Flow, wide

from ganrm_core.post_training.losses import (
    denoising_errors,
    dpo_losses,
    safeguard_factors,
    with_gradient_scaled,
)
from ganrm_core.post_training.scalings import scalings

DATA = 0.5
"""Standard deviation of the data that v and EDM models assume."""


class Noisy:
    """x = x₀ + σ·ε, as ComfyUI scales the latents of all models but flow models."""

    def noise_scaling(self, sigma: Tensor, noise: Tensor, latent_image: Tensor) -> Tensor:
        return noise.mul_(wide(sigma, noise)).add_(latent_image)  # in place, as core does


class Eps(Noisy):
    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        return model_input - model_output * wide(sigma, model_output)


class V(Noisy):
    sign = -1

    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        sigma = wide(sigma, model_output)
        total = sigma**2 + DATA**2
        return model_input * DATA**2 / total + self.sign * model_output * sigma * DATA / total**0.5


class Edm(V):
    sign = 1


class X0(Noisy):
    def calculate_denoised(self, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        return model_output


class Case(NamedTuple):
    sampling: Flow | Eps | V | X0
    target: Callable[[Tensor, Tensor, Tensor], Tensor]
    """(x₀, ε, σ) → what the network should give."""
    weight: Callable[[Tensor], Tensor]
    """σ → squared error of the velocity, for a squared error of the network's output of 1."""


def _edm_target(sign: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda x0, eps, sigma: (
        sign * (x0 - (x0 + sigma * eps) * DATA**2 / (sigma**2 + DATA**2))
        * (sigma**2 + DATA**2) ** 0.5 / (sigma * DATA)
    )  # fmt: skip


def _edm_weight(sigma: Tensor) -> Tensor:
    """1 if the data had unit variance, which the velocity is defined for."""
    return DATA**2 * (1 + sigma**2) / (DATA**2 + sigma**2)


CASES = {
    "eps": Case(Eps(), lambda _x0, eps, _sigma: eps, lambda s: 1 + s**2),
    "v": Case(V(), _edm_target(-1), _edm_weight),
    "edm": Case(Edm(), _edm_target(1), _edm_weight),
    "flow": Case(Flow(), lambda x0, eps, _sigma: eps - x0, lambda s: (1 - s) ** 2 + s**2),
    "x0": Case(X0(), lambda x0, _eps, _sigma: x0, lambda s: (1 + s**2) / s**2),
}
SIGMA = torch.tensor([0.9, 0.3, 0.05], dtype=torch.float64)


def drawn(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 2, 2, 1, generator=generator, dtype=torch.float64)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def test_scalings_are_those_of_the_noise(case: Case) -> None:
    found, x0, eps = scalings(case.sampling, SIGMA), drawn(0), drawn(1)
    noisy = case.sampling.noise_scaling(SIGMA, eps.clone(), x0)
    torch.testing.assert_close(noisy, wide(found.signal, x0) * x0 + wide(found.noise, x0) * eps)


def test_the_denoising_error_is_the_squared_error_of_the_velocity(case: Case) -> None:
    x0, eps, output = drawn(0), drawn(1), drawn(2)
    noisy = case.sampling.noise_scaling(SIGMA, eps.clone(), x0)
    denoised = case.sampling.calculate_denoised(SIGMA, output, noisy)
    error = (output - case.target(x0, eps, wide(SIGMA, x0))).square().flatten(1).mean(1)
    found = denoising_errors(denoised, x0, scalings(case.sampling, SIGMA))
    torch.testing.assert_close(found, case.weight(SIGMA) * error)


def test_gradients_are_those_of_finite_differences(case: Case) -> None:
    chosen, rejected, eps = (drawn(seed) for seed in range(3))
    scale = scalings(case.sampling, SIGMA)

    def predicted(output: Tensor, clean: Tensor) -> Tensor:
        noisy = case.sampling.noise_scaling(SIGMA, eps.clone(), clean)
        return case.sampling.calculate_denoised(SIGMA, output, noisy)

    def dpo(output: Tensor) -> Tensor:
        errors = [denoising_errors(predicted(output, clean), clean, scale) for clean in (chosen, rejected)]
        return dpo_losses(*errors, torch.tensor([0.2, 0.0, -0.1], dtype=torch.float64), beta=3.0)

    start = drawn(5).requires_grad_()
    for loss in (
        lambda output: denoising_errors(predicted(output, chosen), chosen, scale),
        dpo,
    ):
        assert torch.autograd.gradcheck(loss, (start,))


def test_dpo_at_the_reference_is_log_two_and_falls_as_the_chosen_gets_ahead() -> None:
    zero = torch.zeros(1)
    assert float(dpo_losses(zero, zero, zero, 10.0)) == pytest.approx(0.6931, abs=1e-4)
    assert float(dpo_losses(zero - 1, zero, zero, 2.0)) == pytest.approx(0.3133, abs=1e-4)  # log(1 + 1/e)
    assert dpo_losses(zero + 1, zero, zero + 1, 10.0).equal(dpo_losses(zero, zero, zero, 10.0))


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.0])
def test_a_guarded_step_does_not_raise_the_chosen_error(mu: float) -> None:
    chosen, rejected = drawn(0), drawn(0) * 2 + 0.1 * drawn(1)  # nearly the same direction, twice as far
    factors = safeguard_factors(chosen, rejected, mu)
    step = rejected * wide(factors, rejected) - chosen  # the descent of e_w − e_l
    descent = -(step * chosen).flatten(1).sum(1)
    assert bool((descent >= mu * chosen.square().flatten(1).sum(1) - 1e-9).all())
    against = safeguard_factors(chosen, -rejected, mu)
    assert against.equal(torch.ones(3, dtype=torch.float64)), "where they do not conflict nothing is changed"


def test_scaled_gradients_leave_the_values() -> None:
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    scaled = with_gradient_scaled(values, torch.tensor([0.25, 0.0]))
    assert scaled.equal(values)
    scaled.sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert values.grad.tolist() == [0.25, 0.0]
