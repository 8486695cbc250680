"""Run the double by itself: ``python -m lab.doubles.gitlab --port 8929 --state FILE``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from lab.doubles.gitlab.server import VERSION, Server

TOKEN = "GITLAB_DOUBLE_ROOT_TOKEN"  # noqa: S105  # the name of a variable, not a token


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="lab.doubles.gitlab",
        description="A double of GitLab's REST API, not GitLab. The administrator's token comes from the "
        f"environment ({TOKEN}) or from a file, never from the command line.",
    )
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8929, help="default: %(default)s; 0 takes a free one")
    parser.add_argument(
        "--state", type=Path, help="file that keeps the state; none: it is gone with the process"
    )
    parser.add_argument("--token-file", type=Path, help="file with the administrator's token")
    parser.add_argument("--edition", choices=("ce", "ee"), default="ce")
    parser.add_argument(
        "--latency-ms", type=float, default=0, help="milliseconds that each answer is kept back"
    )
    parser.add_argument(
        "--version", default=VERSION, help="of GitLab's that is played (default: %(default)s)"
    )
    parser.add_argument("--certificate", type=Path, help="PEM file with certificate and key: serve HTTPS")
    parser.add_argument(
        "--public-url", default="", help="by what clients reach it, where that is another address"
    )
    return parser.parse_args()


def main() -> int:
    options = arguments()
    token = os.environ.get(TOKEN, "")
    if options.token_file is not None:
        token = options.token_file.read_text().strip()
    new = options.state is None or not options.state.exists()
    if new and not token:
        print(f"a new instance needs its administrator's token in {TOKEN} or --token-file", file=sys.stderr)
        return 2
    server = Server(
        options.address,
        options.port,
        root_token=token,
        edition=options.edition,
        version=options.version,
        latency=options.latency_ms / 1000,
        file=options.state,
        certificate=options.certificate,
        public_url=options.public_url,
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.start()
    print(f"GitLab double {server.version} ({server.edition}) on {server.url}", flush=True)
    try:
        signal.pause()
    finally:
        server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
