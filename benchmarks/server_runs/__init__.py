"""Parts of the benchmarks that run the pack in a real ComfyUI server: `soak` and `hostile_workflows`.

They use the server, client and prompts of the host tests, which are imported as `host_support`.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))
