"""Stands in for the get-pip script that ansible-test would download: the registry alone is enough.

ansible-test runs it inside a fresh virtual environment as ``get_pip.py [pip options] pip==X``.
"""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: ensurepip switches pip's configuration off in the environment of its process.
subprocess.run([sys.executable, "-m", "ensurepip"], check=True)
arguments = [argument for argument in sys.argv[1:] if argument not in ("--no-setuptools", "--no-wheel")]
sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", *arguments], check=False).returncode)
