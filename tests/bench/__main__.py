"""``./run bench [NAME]``: a module of this package with ``measure()`` is a benchmark."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Sequence

from tests import bench
from tests.bench.report import render

SUPPORT = {"__main__", "budgets", "report", "timing"}


def names() -> list[str]:
    return sorted(
        module.name for module in pkgutil.iter_modules(bench.__path__) if module.name not in SUPPORT
    )


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        for name in names():
            summary = (importlib.import_module(f"tests.bench.{name}").__doc__ or "").splitlines()[0]
            print(f"{name:<14} {summary}")
        return 0
    (name, *rest) = arguments
    if rest or name not in names():
        print(f"bench {' '.join(arguments)}: must be one of {', '.join(names())}", file=sys.stderr)
        return 2
    figures = importlib.import_module(f"tests.bench.{name}").measure()
    print(render(name, figures))
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
