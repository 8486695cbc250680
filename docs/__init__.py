"""The documentation and what makes it: ``python -m docs.generate`` and ``python -m docs.site``."""
