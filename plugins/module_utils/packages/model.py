# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a play asks of a host's packages, and what the host has."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Dict, FrozenSet, Mapping, Optional, Protocol, Tuple

# Debian Policy 5.6.1 and 5.6.12; ``*`` and ``?`` make a version a pattern. The strict form also keeps
# anything that apt-get would read as an option or as a suffix verb out of its arguments.
_SPEC = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9+.-]+?)(?::(?P<architecture>[a-z0-9-]+))?(?:=(?P<version>[A-Za-z0-9.+:~*?-]+))?"
)
SPEC_RULE = "must be a package name, with :architecture and =version (a pattern such as 1:9.2*) where wanted"


class RequestError(ValueError):
    """The request contradicts itself or the host; nothing has been changed."""


class PackageManagerError(RuntimeError):
    """The package manager refused; the text says what it said."""


@dataclass(frozen=True)
class Spec:
    """A package as asked for: ``name[:architecture][=version pattern]``."""

    name: str
    architecture: Optional[str] = None
    version: Optional[str] = None

    def __str__(self) -> str:
        return self.qualified + (f"={self.version}" if self.version else "")

    @property
    def qualified(self) -> str:
        """``name`` or ``name:architecture``, as apt-mark and dpkg take it."""
        return f"{self.name}:{self.architecture}" if self.architecture else self.name


@dataclass(frozen=True)
class Package:
    """A package that dpkg knows.

    provides: virtual package to the version that it is provided in, ``None`` without one.
    installed: whether its files are on the host; ``False`` leaves ``residual``: only configuration files.
    """

    name: str
    architecture: str
    version: str
    provides: Tuple[Tuple[str, Optional[str]], ...] = ()
    installed: bool = True
    residual: bool = False


@dataclass(frozen=True)
class State:
    """The host's packages.

    native: the architecture that an unqualified name means.
    held: ``name`` and ``name:architecture`` of packages on hold.
    interrupted: names of packages that a broken-off run left unpacked or half configured.
    """

    packages: Tuple[Package, ...]
    native: str
    held: FrozenSet[str] = frozenset()
    interrupted: Tuple[str, ...] = ()

    def find(self, spec: Spec) -> Optional[Package]:
        """The package that ``spec`` names, whatever its version; an unqualified name means the native one."""
        wanted = {spec.architecture or self.native, "all"}
        for package in self.packages:
            if package.name == spec.name and package.architecture in wanted:
                return package
        return None

    def is_held(self, spec: Spec) -> bool:
        return spec.qualified in self.held or f"{spec.name}:{spec.architecture or self.native}" in self.held

    def satisfies(self, spec: Spec) -> bool:
        """Whether ``spec`` is installed, or provided by what is installed, in a version that it allows."""
        package = self.find(spec)
        if package is not None and package.installed:
            return spec.version is None or fnmatchcase(package.version, spec.version)
        return any(
            provided == spec.name
            and (spec.version is None or (version is not None and fnmatchcase(version, spec.version)))
            for other in self.packages
            if other.installed and other.architecture in (spec.architecture or self.native, "all")
            for provided, version in other.provides
        )


@dataclass(frozen=True)
class Request:
    """The module's options, parsed. ``upgrade``: ``none``, ``security`` or ``full``."""

    install: Tuple[Spec, ...] = ()
    remove: Tuple[Spec, ...] = ()
    hold: Tuple[Spec, ...] = ()
    unhold: Tuple[Spec, ...] = ()
    purge: bool = False
    upgrade: str = "none"
    recommends: bool = False
    refresh: int = 3600


@dataclass(frozen=True)
class Transaction:
    """What one run of the package manager is to do.

    upgrades: packages to bring to exactly this version; those that were installed as a dependency stay so.
    everything: upgrade all that can be upgraded. keep: with the version that they have; they will be on hold.
    """

    install: Tuple[Spec, ...] = ()
    remove: Tuple[Spec, ...] = ()
    upgrades: Tuple[Spec, ...] = ()
    keep: Tuple[Spec, ...] = ()
    everything: bool = False
    purge: bool = False
    recommends: bool = False
    allow_held: bool = False

    def __bool__(self) -> bool:
        return bool(self.install or self.remove or self.upgrades or self.everything)


@dataclass(frozen=True)
class Effect:
    """What happens to one package; verb: ``install``, ``upgrade``, ``downgrade``, ``remove`` or ``purge``."""

    verb: str
    name: str
    before: Optional[str]
    after: Optional[str]


class Backend(Protocol):
    """A package manager. Its methods raise :exc:`PackageManagerError` with the tool's own words."""

    def read(self) -> State:
        """The state, in as few processes as possible."""

    def lists_are_stale(self, valid_seconds: int) -> bool:
        """Whether package lists are missing, older than that, or older than the sources."""

    def refresh(self) -> None:
        """Fetch the package lists."""

    def repair(self) -> None:
        """Finish what an interrupted run left."""

    def simulate(self, transaction: Transaction) -> Tuple[Effect, ...]:
        """What the transaction would do."""

    def security_upgrades(self, state: State) -> Tuple[Spec, ...]:
        """Installed packages with the newer version that a security archive has for them."""

    def commit(self, transaction: Transaction) -> None:
        """Run the transaction."""

    def mark(self, verb: str, specs: Tuple[Spec, ...]) -> None:
        """Set or lift (``hold``, ``unhold``) holds."""


def parse_spec(option: str, text: str) -> Spec:
    """``name[:architecture][=version]`` as a :class:`Spec`; RequestError names option, text and rule."""
    match = _SPEC.fullmatch(text)
    if match is None:
        raise RequestError(f"{option} has {text!r}: {SPEC_RULE}")
    return Spec(match["name"], match["architecture"], match["version"])


def parse_request(options: Mapping[str, Any]) -> Request:
    """The module's parameters as a :class:`Request`; RequestError where they contradict each other."""
    specs: Dict[str, Tuple[Spec, ...]] = {}
    for option in ("install", "remove", "hold", "unhold"):
        texts = options.get(option) or ()
        specs[option] = tuple(dict.fromkeys(parse_spec(option, text) for text in texts))
    for option in ("remove", "hold", "unhold"):
        for spec in specs[option]:
            if spec.version:
                raise RequestError(f"{option} has '{spec}': a version is for install only")
    _refuse_two_versions(specs["install"])
    for first, second in (("install", "remove"), ("hold", "unhold"), ("hold", "remove")):
        both = sorted({spec.qualified for spec in specs[first]} & {spec.qualified for spec in specs[second]})
        if both:
            raise RequestError(
                f"{first} and {second} both have {', '.join(both)}: a package can be in one of them only"
            )
    return Request(
        purge=bool(options.get("purge")),
        upgrade=str(options.get("upgrade") or "none"),
        recommends=bool(options.get("recommends")),
        refresh=int(options["refresh"]),
        **specs,
    )


def _refuse_two_versions(install: Tuple[Spec, ...]) -> None:
    seen: Dict[str, Spec] = {}
    for spec in install:
        other = seen.setdefault(spec.qualified, spec)
        if other != spec:
            raise RequestError(
                f"install has '{other}' and '{spec}': a package can be asked for in one version only"
            )
