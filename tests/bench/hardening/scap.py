"""OpenSCAP on a throwaway host: where its content comes from, its two views, and its results."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

REMAINING = Path(__file__).with_name("remaining.yml")
PROFILE = "xccdf_org.ssgproject.content_profile_anssi_bp28_enhanced"

FETCH = """\
set -e
cd "$(mktemp -d)"
# As root, since apt's own user can't write here.
apt-get -qq download -o APT::Sandbox::User=root ssg-debian >&2
dpkg-deb --fsys-tarfile ssg-debian_*.deb | tar -xO ./usr/share/xml/scap/ssg/content/ssg-debian12-ds.xml
"""

# There is no content for Debian 13 yet: the one for 12 applies to a host that says that it is 12. It tells
# from a line of auditd's unit that audit rules come from rules.d; in 13 that line names another unit.
PREPARE = """\
set -e
sed 's/Requires=augenrules.service/Requires=audit-rules.service/' > /root/content.xml
echo 12.0 > /etc/debian_version
sed -i 's/^VERSION_ID=.*/VERSION_ID="12"/' /usr/lib/os-release
"""

_EVALUATE = f"""\
oscap xccdf eval --profile {PROFILE} /root/content.xml 2>/root/oscap.err
# 2 stands for rules that fail.
code=$?
[ "$code" -eq 0 ] || [ "$code" -eq 2 ] || {{ cat /root/oscap.err >&2; exit "$code"; }}
"""
AS_CONTAINER = f"[ -e /run/.containerenv ] || : > /run/.containerenv\n{_EVALUATE}"
# Podman's marker is a mount; unmounted, the empty file that it stood on still marks a container.
AS_MACHINE = f"""\
mountpoint --quiet /run/.containerenv && umount /run/.containerenv
rm -f /run/.containerenv
{_EVALUATE}"""
# The rules about the kernel, auditing and logging apply only where a package says that there is a kernel.
WITH_KERNEL = f"""\
apt-get -qq install -y --no-install-recommends linux-base >/dev/null || exit
{_EVALUATE}"""

_RESULT = re.compile(r"^Rule\s+xccdf_org\.ssgproject\.content_rule_(\S+)$.*?^Result\s+(\w+)$", re.M | re.S)


@dataclass(frozen=True)
class Results:
    """The names of the rules that apply, by whether they hold."""

    passed: frozenset[str]
    failed: frozenset[str]

    @property
    def percent(self) -> float:
        """How many of the rules that apply hold."""
        return 100 * len(self.passed) / (len(self.passed) + len(self.failed))


def results(output: str) -> Results:
    """Read what ``oscap xccdf eval`` printed; a rule that could not be evaluated has failed."""
    by_rule = _RESULT.findall(output)
    return Results(
        frozenset(rule for rule, result in by_rule if result in {"pass", "fixed"}),
        frozenset(rule for rule, result in by_rule if result in {"fail", "error", "unknown"}),
    )


def reasons() -> Mapping[str, str]:
    """Why each of the remaining rules is not met."""
    return yaml.safe_load(REMAINING.read_text()) or {}
