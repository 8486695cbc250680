"""``python -m ipban``, and what /usr/local/sbin/ipban calls."""

from __future__ import annotations

import sys

from ipban.cli import run_as_program as main

if __name__ == "__main__":
    sys.exit(main())
