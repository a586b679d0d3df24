"""Node pack for tests, in ComfyUI's older node style: makes inputs, records outputs, counts live objects.

Runs inside ComfyUI, so it imports nothing of the tests.
"""

from __future__ import annotations

from . import routes
from .ends import ProbeEcho, ProbeFailing, ProbePass
from .rewards import ProbeReward
from .sources import ProbeImages, ProbeLatents, ProbeMasks, ProbeScores

_NODES = (ProbeImages, ProbeLatents, ProbeMasks, ProbeScores, ProbeReward, ProbeEcho, ProbeFailing, ProbePass)
NODE_CLASS_MAPPINGS = {node.__name__: node for node in _NODES}

routes.add()
routes.end_with_parent()
