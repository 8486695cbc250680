"""Build or serve the site, with generated pages up to date: ``python -m docs.site build|serve``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from docs import generate

ROOT = Path(__file__).resolve().parent.parent

COMMANDS = {
    # Strict: a link to a page or heading that does not exist fails the build.
    "build": ("zensical", "build", "--clean", "--strict"),
    "serve": ("zensical", "serve"),
}


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m docs.site {'|'.join(COMMANDS)}", file=sys.stderr)
        return 2
    status = generate.main([])
    if status != 0:
        return status
    try:
        return subprocess.run(COMMANDS[arguments[0]], cwd=ROOT, check=False).returncode
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
