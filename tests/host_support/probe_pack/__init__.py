"""A node pack for tests: makes inputs of any shape, records what reaches it, and looks into the server.

Runs inside ComfyUI, so it imports nothing of the tests. All of it is in ComfyUI's older node style, as most packs are.
"""

from __future__ import annotations

from . import routes
from .ends import ProbeEcho, ProbeFail, ProbeSlow
from .sources import ProbeConditioning, ProbeImages, ProbeLatents, ProbeMasks, ProbeScores

NODE_CLASS_MAPPINGS = {
    node.__name__: node
    for node in (
        ProbeConditioning,
        ProbeImages,
        ProbeLatents,
        ProbeMasks,
        ProbeScores,
        ProbeEcho,
        ProbeFail,
        ProbeSlow,
    )
}

routes.add()
routes.end_with_parent()
