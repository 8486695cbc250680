"""``python -m wireguard``, and what /usr/local/sbin/groundwork-wireguard calls."""

from __future__ import annotations

import sys

from wireguard.cli import run_as_program as main

if __name__ == "__main__":
    sys.exit(main())
