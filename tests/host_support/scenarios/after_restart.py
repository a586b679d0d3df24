"""Fingerprints in a process of their own."""

from __future__ import annotations

from host_support.scenarios.small_models import flow_model, pack, prompts


def model() -> str:
    return str(pack("nodes.host.training.fingerprints").model_fingerprint(flow_model()))


def prompt() -> str:
    return str(pack("nodes.host.training.fingerprints").conditioning_fingerprint(prompts().positive[0]))
