"""`python -m ganrm_core.cli`: the command `ganrm`."""

import sys

from . import main

sys.exit(main())
