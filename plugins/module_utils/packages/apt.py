# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The backend for apt and dpkg."""

from __future__ import annotations

import os
import re
import time
from glob import glob
from typing import Callable, Iterable, List, Optional, Sequence, Tuple

from .model import (
    Effect,
    Package,
    PackageManagerError,
    Spec,
    State,
    Transaction,
)
from .versions import compare_versions

# Starts a process: arguments to exit status, standard output, standard error.
Run = Callable[[List[str]], Tuple[int, str, str]]

ENVIRONMENT = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBIAN_PRIORITY": "critical",
    "APT_LISTCHANGES_FRONTEND": "none",
    "APT_LISTBUGS_FRONTEND": "none",
    "NEEDRESTART_UI": "NeedRestart::UI::stdio",
    "LC_ALL": "C.UTF-8",
}

LISTS = "/var/lib/apt/lists"
SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d", "/etc/apt/sources.list.d/*")
UPDATES = "/var/lib/dpkg/updates"
LOCK_RETRY_SECONDS = 2
SHOWN_ERRORS = 3

QUERY = "${Package}\t${Architecture}\t${Version}\t${db:Status-Abbrev}\t${Provides}\n"
# dpkg-query(1), db:Status-Abbrev, second letter: half installed, unpacked, half configured, triggers.
INTERRUPTED = "HUFWt"

_PROVIDED = re.compile(r"(?P<name>[^\s(:]+)(?::\S+)?(?:\s*\(=\s*(?P<version>[^)]+)\))?")
_EFFECT = re.compile(
    r"(?P<verb>Inst|Remv|Purg) (?P<name>\S+)(?: \[(?P<before>[^\]]+)\])?(?: \((?P<after>\S+) )?"
)
_SUMMARY = "Some index files failed to download"
_LOCKED = re.compile(
    r"Could not get lock|lock was locked by another process|Unable to acquire the dpkg frontend lock"
)
_UNKNOWN = re.compile(
    r"Unable to locate package (?P<a>\S+)"
    r"|Package '?(?P<b>[^\s']+)'? has no installation candidate"
    r"|Version '(?P<version>[^']*)' for '(?P<c>[^']*)' was not found"
    r"|Couldn't find any package by (?:glob|regex) '(?P<d>[^']*)'"
)


def parse_state(text: str, updates_pending: bool = False) -> State:
    """The output of ``dpkg-query --show`` in the format QUERY as a :class:`State`.

    updates_pending: dpkg was stopped so early that its journal is not merged yet.
    """
    packages = []
    held = set()
    interrupted = []
    native = "all"
    for line in text.splitlines():
        name, architecture, version, status, provides = line.split("\t")
        want, have = status[0], status[1]
        if want == "h":
            # One that is not installed has no architecture.
            held.add(f"{name}:{architecture}" if architecture else name)
        if name == "dpkg":
            # dpkg is never of a foreign architecture, which saves asking for the native one.
            native = architecture
        if have in INTERRUPTED or (len(status) > 2 and status[2] == "R"):
            interrupted.append(name)
        if have != "n":
            packages.append(
                Package(name, architecture, version, _provided(provides), have not in "nc", have == "c")
            )
    if updates_pending and not interrupted:
        interrupted.append("dpkg")
    return State(tuple(packages), native, frozenset(held | _unqualified(held, native)), tuple(interrupted))


def _provided(text: str) -> Tuple[Tuple[str, Optional[str]], ...]:
    matches = (_PROVIDED.fullmatch(part.strip()) for part in text.split(",") if part.strip())
    return tuple((match["name"], match["version"]) for match in matches if match)


def _unqualified(held: Iterable[str], native: str) -> set[str]:
    names = (name.partition(":") for name in held)
    return {name for name, _colon, architecture in names if architecture in (native, "all", "")}


def parse_effects(text: str) -> Tuple[Effect, ...]:
    """What ``apt-get --simulate`` says that it would do; a package unpacked twice counts once."""
    effects = {}
    for line in text.splitlines():
        match = _EFFECT.match(line)
        if match is None:
            continue
        before, after = match["before"], match["after"]
        if match["verb"] != "Inst":
            verb = "purge" if match["verb"] == "Purg" else "remove"
            effects[match["name"]] = Effect(verb, match["name"], before or "(configuration files)", None)
            continue
        verb = "install"
        if before is not None:
            verb = "upgrade" if compare_versions(before, after) <= 0 else "downgrade"
        effects[match["name"]] = Effect(verb, match["name"], before, after)
    return tuple(effects.values())


def parse_security(text: str, installed: Callable[[str], Optional[str]]) -> Tuple[Spec, ...]:
    """From ``apt-cache madison``: the newest security version of each package, above the installed one."""
    newest: dict[str, str] = {}
    for line in text.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 3:
            continue
        name, version, source = fields
        suite = source.split()[1].partition("/")[0] if len(source.split()) > 1 else ""
        current = newest.get(name) or installed(name)
        if suite.endswith("-security") and current is not None and compare_versions(version, current) > 0:
            newest[name] = version
    return tuple(Spec(*_split(name), version=version) for name, version in newest.items())


def _split(name: str) -> Tuple[str, Optional[str]]:
    package, _colon, architecture = name.partition(":")
    return package, architecture or None


def explain(stderr: str, stdout: str, transaction: Optional[Transaction] = None) -> str:
    """apt's complaint in one line: unknown packages by option and name, else its own error lines."""
    lines = [line.strip() for line in stderr.splitlines()]
    unknown = []
    for line in lines:
        match = _UNKNOWN.search(line)
        if match is None or transaction is None:
            continue
        name = match["a"] or match["b"] or match["c"] or match["d"]
        asked = [str(spec) for spec in transaction.install if name in (spec.name, spec.qualified, str(spec))]
        if asked:
            what = "no such version" if match["version"] else "no such package"
            unknown.append(f"install has '{asked[0]}': {what} in the sources of this host ({line})")
    if unknown:
        return "; ".join(dict.fromkeys(unknown))
    errors = [line for line in lines if line.startswith(("E:", "dpkg: error")) and _SUMMARY not in line]
    errors = errors or [line for line in lines if line] or stdout.strip().splitlines()[-3:]
    return " ".join(list(dict.fromkeys(errors))[:SHOWN_ERRORS]) or "no reason given"


class Apt:
    """Reads and changes packages through dpkg-query, apt-get and apt-mark.

    lock_timeout: seconds to wait for another run of the package manager.
    root: directory that stands for ``/`` when files are looked at, for tests.
    """

    def __init__(self, run: Run, lock_timeout: int, root: str = "") -> None:
        self._run = run
        self._lock_timeout = lock_timeout
        self._root = root

    def read(self) -> State:
        # With the pattern dpkg-query also tells of packages that are on hold without being installed.
        status, out, err = self._run(["dpkg-query", "--show", f"--showformat={QUERY}", "*"])
        if status != 0:
            raise PackageManagerError(f"dpkg-query: {explain(err, out)}")
        journal = [name for name in _entries(self._root + UPDATES) if name.isdigit()]
        return parse_state(out, bool(journal))

    def lists_are_stale(self, valid_seconds: int) -> bool:
        lists = self._root + LISTS
        if not glob(f"{lists}/*Release") and not glob(f"{lists}/*Packages*"):
            return True
        fetched = os.stat(lists).st_mtime
        changed = [os.stat(path).st_mtime for pattern in SOURCES for path in glob(self._root + pattern)]
        return time.time() - fetched > valid_seconds or any(moment > fetched for moment in changed)

    def refresh(self) -> None:
        # Without the error mode apt-get says success when a mirror is away.
        status, out, err = self._patiently(["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update"])
        if status != 0:
            raise PackageManagerError(f"package lists could not be fetched: {explain(err, out)}")
        os.utime(self._root + LISTS)

    def repair(self) -> None:
        status, out, err = self._patiently(
            ["dpkg", "--force-confdef", "--force-confold", "--configure", "--pending"]
        )
        if status != 0:
            raise PackageManagerError(
                f"an interrupted run of dpkg could not be finished: {explain(err, out)}"
            )

    def simulate(self, transaction: Transaction) -> Tuple[Effect, ...]:
        # Packages to keep are not on hold yet; asked for in the version that they have, they stay.
        keep = [str(spec) for spec in transaction.keep]
        status, out, err = self._run(["apt-get", "--simulate", *self._arguments(transaction), *keep])
        if status != 0:
            raise PackageManagerError(explain(err, out, transaction))
        return parse_effects(out)

    def security_upgrades(self, state: State) -> Tuple[Spec, ...]:
        effects = self.simulate(Transaction(everything=True))
        names = [effect.name for effect in effects if effect.verb == "upgrade"]
        if not names:
            return ()
        status, out, err = self._run(["apt-cache", "madison", *names])
        if status != 0:
            raise PackageManagerError(explain(err, out))

        def installed(name: str) -> Optional[str]:
            package = state.find(Spec(*_split(name)))
            return package.version if package is not None and package.installed else None

        return parse_security(out, installed)

    def commit(self, transaction: Transaction) -> None:
        upgraded = [spec.qualified for spec in transaction.upgrades]
        # To install a version by name makes a package count as asked for, so the mark is put back.
        automatic = self._checked(["apt-mark", "showauto", *upgraded]).split() if upgraded else []
        arguments = ["apt-get", *self._arguments(transaction)]
        status, out, err = self._patiently(arguments)
        if status != 0 and re.search(r"\b404\b", err):
            # The mirror has moved on since the lists were fetched.
            self.refresh()
            status, out, err = self._patiently(arguments)
        if status != 0:
            raise PackageManagerError(explain(err, out, transaction))
        if automatic:
            self._checked(["apt-mark", "auto", *automatic])

    def mark(self, verb: str, specs: Tuple[Spec, ...]) -> None:
        self._checked(["apt-mark", verb, *(spec.qualified for spec in specs)])

    def _arguments(self, transaction: Transaction) -> List[str]:
        arguments = ["-y", "-q", "-o", f"DPkg::Lock::Timeout={self._lock_timeout}"]
        arguments += ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
        arguments.append("--install-recommends" if transaction.recommends else "--no-install-recommends")
        if transaction.purge:
            arguments.append("--purge")
        if any(spec.version for spec in transaction.install):
            arguments.append("--allow-downgrades")
        if transaction.allow_held:
            arguments.append("--allow-change-held-packages")
        arguments.append("dist-upgrade" if transaction.everything else "install")
        arguments += [str(spec) for spec in transaction.install + transaction.upgrades]
        arguments += [f"{spec.qualified}-" for spec in transaction.remove]
        return arguments

    def _checked(self, arguments: Sequence[str]) -> str:
        status, out, err = self._patiently(list(arguments))
        if status != 0:
            raise PackageManagerError(explain(err, out))
        return out

    def _patiently(self, arguments: List[str]) -> Tuple[int, str, str]:
        """Run it again while the lock is taken: apt's own wait covers neither package lists nor dpkg."""
        deadline = time.monotonic() + self._lock_timeout
        while True:
            status, out, err = self._run(arguments)
            if status == 0 or not _LOCKED.search(err):
                return status, out, err
            if time.monotonic() >= deadline:
                return status, out, f"{err}\nE: waited {self._lock_timeout} seconds (lock_timeout)"
            time.sleep(LOCK_RETRY_SECONDS)


def _entries(path: str) -> List[str]:
    try:
        return os.listdir(path)
    except FileNotFoundError:
        return []
