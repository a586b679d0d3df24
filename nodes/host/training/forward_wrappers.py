"""Functions put around the forward of modules, all of them in and out together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from comfy.patcher_extension import PatcherInjection
from torch import nn

Forward = Callable[..., Any]
Wrapper = tuple[nn.Module, Callable[[Forward], Forward]]
"""A module, and what makes its new forward of the one it has."""


class ForwardWrappers:
    """Wrappers of one model. Of several around one module the first lies innermost."""

    def __init__(self, wrappers: Sequence[Wrapper]) -> None:
        self._wrappers = list(wrappers)
        self._placed: list[tuple[nn.Module, Forward | None, Forward]] = []

    def injection(self) -> PatcherInjection:
        """For `ModelPatcher.set_injections`: the patcher takes them out and in again as it loads and unloads the model."""
        return PatcherInjection(lambda _patcher: self.inject(), lambda _patcher: self.eject())

    def inject(self) -> None:
        """Put them in, unless they are in already."""
        if self._placed:
            return
        for module, around in self._wrappers:
            before = vars(module).get("forward")  # another pack's, which lies around this module already
            ours = self._while_placed(module.forward, around(module.forward))
            module.forward = ours
            self._placed.append((module, before, ours))

    def eject(self) -> None:
        """Take them out, unless they are out already."""
        placed, self._placed = self._placed, []
        for module, before, ours in reversed(placed):
            held = vars(module)
            # Where somebody else has put back what was there before ours, there is nothing left to do.
            if held.get("forward") is not ours:
                continue
            if before is None:
                del held["forward"]
            else:
                held["forward"] = before

    def _while_placed(self, original: Forward, wrapped: Forward) -> Forward:
        # Other wrappers may keep a reference to this function for ever: once removed, it calls the original.
        def forward(*args: Any, **kwargs: Any) -> Any:
            return (wrapped if self._placed else original)(*args, **kwargs)

        return forward
