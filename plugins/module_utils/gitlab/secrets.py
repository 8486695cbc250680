# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that GitLab takes and never gives back, told apart by a keyed digest that is kept beside them.

The digest stands in the description of the hook or the variable that has the secret: it goes where the thing
goes, it is gone when the thing is gone, and it is read by the request that is made anyway. What has no
description (integrations, mirrors) keeps it in a custom attribute of its project or group. A file beside the
inventory would be lost or stale as soon as two people converge.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Optional, Tuple

# 128 bits: whoever can see a description learns nothing, and two secrets never look the same by chance.
DIGITS = 32
_SEALED = re.compile(r"\s*\[groundwork:(?P<digest>[0-9a-f]{32})\]\s*\Z")


class Digester:
    """Digests under one key.

    The place that a secret is for goes into its digest, so equal secrets don't show that they are.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def __bool__(self) -> bool:
        return bool(self._key)

    def __call__(self, secret: str, *place: object) -> str:
        """The digest of a secret for a place such as ``("project", 12, "hooks", "https://…")``."""
        message = "\0".join([*(str(part) for part in place), secret])
        return hmac.new(self._key, message.encode(), hashlib.sha256).hexdigest()[:DIGITS]


def seal(text: str, digest: str) -> str:
    """A description with a digest at its end."""
    return f"{text} [groundwork:{digest}]".lstrip()


def unseal(description: Optional[str]) -> Tuple[str, str]:
    """A description without the digest, and the digest or nothing."""
    text = description or ""
    match = _SEALED.search(text)
    return (text[: match.start()], match["digest"]) if match else (text, "")
