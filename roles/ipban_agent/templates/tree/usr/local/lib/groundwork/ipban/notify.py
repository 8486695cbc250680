"""What a service tells systemd (sd_notify(3)): that it is ready, that it is alive."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Does nothing where nobody has asked for it."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        address = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is an abstract one.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        microseconds = environment.get("WATCHDOG_USEC", "")
        mine = environment.get("WATCHDOG_PID", "") in ("", str(os.getpid()))
        # Half of what systemd waits for, so that one late turn is no death.
        self.interval = int(microseconds) / 2e6 if microseconds.isdigit() and mine else None

    def ready(self) -> None:
        self._tell("READY=1")

    def alive(self, status: str) -> None:
        self._tell(f"WATCHDOG=1\nSTATUS={status}")

    def stopping(self) -> None:
        self._tell("STOPPING=1")

    def _tell(self, what: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            try:
                channel.connect(self._address)
                channel.send(what.encode())
            except OSError:
                # systemd notices by itself when nothing comes.
                return
