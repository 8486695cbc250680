"""Makes the program that the role ships importable as on a host."""

from __future__ import annotations

import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[3] / "roles/ipban_agent/templates/tree/usr/local/lib/groundwork"
if str(PROGRAM) not in sys.path:
    sys.path.insert(0, str(PROGRAM))
