"""What is decided for a host, and in which order it is done."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.groundwork.platform.plugins.module_utils.packages.model import (
    Effect,
    Package,
    PackageManagerError,
    Request,
    RequestError,
    Spec,
    State,
    Transaction,
    parse_request,
    parse_spec,
)
from ansible_collections.groundwork.platform.plugins.module_utils.packages.plan import (
    Converger,
    decide,
    guessed_effects,
)
from ansible_collections.groundwork.platform.plugins.module_utils.plan import Meter, PlanError


def state(*names: str, held: tuple[str, ...] = (), interrupted: tuple[str, ...] = ()) -> State:
    packages = tuple(Package(name, "amd64", "1.0") for name in names)
    return State(packages, "amd64", frozenset(held), interrupted)


def request(**options: Any) -> Request:
    return parse_request({"refresh": 3600, **options})


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("nano", Spec("nano")),
        ("g++", Spec("g++")),
        ("libc6:i386", Spec("libc6", "i386")),
        ("openssh-server=1:9.2*", Spec("openssh-server", version="1:9.2*")),
        ("libc6:i386=2.36-9+deb12u9", Spec("libc6", "i386", "2.36-9+deb12u9")),
    ],
)
def test_spec(text: str, spec: Spec) -> None:
    assert parse_spec("install", text) == spec
    assert str(spec) == text


@pytest.mark.parametrize(
    "text", ["-o", "--purge", "Nano", "nano curl", "nano=", "nano/sid", "./nano.deb", "", "n"]
)
def test_no_spec(text: str) -> None:
    with pytest.raises(RequestError, match="install has"):
        parse_spec("install", text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"install": ["nano"], "remove": ["nano"]}, "install and remove both have nano"),
        ({"install": ["nano=1*"], "remove": ["nano"]}, "install and remove both have nano"),
        ({"hold": ["nano"], "unhold": ["nano"]}, "hold and unhold both have nano"),
        ({"hold": ["nano"], "remove": ["nano"]}, "hold and remove both have nano"),
        ({"install": ["nano=1*", "nano=2*"]}, "in one version only"),
        ({"install": ["nano", "nano=2*"]}, "in one version only"),
        ({"hold": ["nano=1"]}, "a version is for install only"),
    ],
)
def test_contradictions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        request(**options)


def test_only_what_differs_is_done() -> None:
    decision = decide(request(install=["nano", "curl"], remove=["telnet", "absent"]), state("nano", "telnet"))
    assert decision.transaction.install == (Spec("curl"),)
    assert decision.transaction.remove == (Spec("telnet"),)


def test_residual_configuration_goes_only_with_purge() -> None:
    residual = State((Package("nano", "amd64", "1.0", installed=False, residual=True),), "amd64")
    assert not decide(request(remove=["nano"]), residual).transaction
    assert decide(request(remove=["nano"], purge=True), residual).transaction


@pytest.mark.parametrize("options", [{"remove": ["nano"]}, {"install": ["curl"]}])
def test_a_hold_stands_in_the_way(options: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="is on hold: add it to unhold"):
        decide(request(**options), state("nano", held=("nano", "curl")))


def test_a_version_moves_a_held_package_which_stays_on_hold() -> None:
    decision = decide(request(install=["nano=2*"]), state("nano", held=("nano",)))
    assert decision.transaction.allow_held
    assert decision.hold_again == (Spec("nano"),)


def test_holds_of_installed_packages_come_before_the_transaction() -> None:
    decision = decide(request(install=["curl"], hold=["nano", "curl"]), state("nano"))
    assert decision.hold_first == (Spec("nano"),)
    assert decision.transaction.keep == (Spec("nano", version="1.0"),)
    assert decision.hold == (Spec("curl"),)


def test_a_guess_says_what_the_state_alone_can_tell() -> None:
    here = state("nano", "telnet")
    decision = decide(request(install=["nano=2*", "curl"], remove=["telnet"], purge=True), here)
    assert guessed_effects(decision, here) == (
        Effect("upgrade", "nano", "1.0", "2*"),
        Effect("install", "curl", None, "(candidate)"),
        Effect("purge", "telnet", "1.0", None),
    )


class Backend:
    """A package manager in memory; ``log`` has what was asked of it."""

    def __init__(self, current: State, stale: bool = False, **failures: str) -> None:
        self.current = current
        self.stale = stale
        self.failures = failures
        self.log: list[str] = []

    def _did(self, what: str) -> None:
        self.log.append(what)
        if what in self.failures:
            raise PackageManagerError(self.failures[what])

    def read(self) -> State:
        self._did("read")
        return self.current

    def lists_are_stale(self, valid_seconds: int) -> bool:
        return self.stale and valid_seconds > 0

    def refresh(self) -> None:
        self._did("refresh")

    def repair(self) -> None:
        self._did("repair")
        self.current = State(self.current.packages, self.current.native, self.current.held)

    def simulate(self, transaction: Transaction) -> tuple[Effect, ...]:
        self._did("simulate")
        specs = transaction.install + transaction.upgrades
        installs = [Effect("install", spec.qualified, None, "1.0") for spec in specs]
        return (*installs, *(Effect("remove", spec.qualified, "1.0", None) for spec in transaction.remove))

    def security_upgrades(self, state: State) -> tuple[Spec, ...]:
        self._did("security")
        assert state == self.current
        return (Spec("libssl3", version="1.0"), Spec("nano", version="1.0"))

    def commit(self, transaction: Transaction) -> None:
        self._did("commit")
        added = tuple(Package(spec.name, "amd64", "1.0") for spec in transaction.install)
        self.current = State(self.current.packages + added, "amd64", self.current.held)

    def mark(self, verb: str, specs: tuple[Spec, ...]) -> None:
        self._did(f"{verb} {' '.join(spec.qualified for spec in specs)}")


def converge(backend: Backend, check_mode: bool = False, **options: Any) -> dict[str, Any]:
    warnings: list[str] = []
    result = Converger(backend, Meter(), check_mode, warnings.append).run(request(**options))
    return {**result, "warnings": warnings}


def kinds(result: dict[str, Any]) -> list[str]:
    return [f"{change['kind']} {change['key']}" for change in result["plan"]]


def test_a_no_op_is_one_read() -> None:
    backend = Backend(state("nano"), stale=True)
    result = converge(backend, install=["nano"], remove=["telnet"])
    assert (result["changed"], backend.log) == (False, ["read"])


def test_the_order_of_a_whole_run() -> None:
    backend = Backend(state("old", "kept", held=("free",)), stale=True)
    result = converge(backend, install=["nano"], remove=["old"], hold=["kept", "nano"], unhold=["free"])
    assert kinds(result) == ["unhold free", "hold kept", "install nano", "remove old", "hold nano"]
    assert backend.log == ["read", "refresh", "simulate", "unhold free", "hold kept", "commit", "hold nano"]


def test_check_mode_only_looks() -> None:
    backend = Backend(state(), stale=True)
    result = converge(backend, check_mode=True, install=["nano"])
    assert kinds(result) == ["install nano"]
    assert backend.log == ["read", "simulate"]


def test_check_mode_does_without_package_lists() -> None:
    backend = Backend(state(), stale=True, simulate="E: Unable to locate package nano")
    result = converge(backend, check_mode=True, install=["nano"])
    assert kinds(result) == ["install nano"]
    assert result["warnings"] == []


def test_check_mode_tells_what_the_package_manager_refuses() -> None:
    backend = Backend(state(), simulate="E: Unable to locate package nano")
    (warning,) = converge(backend, check_mode=True, install=["nano"])["warnings"]
    assert "Unable to locate package nano" in warning


def test_an_interrupted_run_is_finished_first_and_told() -> None:
    backend = Backend(state("vim", interrupted=("vim",)))
    result = converge(backend, install=["nano"])
    assert kinds(result) == ["configure vim", "install nano"]
    assert backend.log == ["read", "repair", "read", "simulate", "commit"]


def test_lists_that_lack_a_package_are_fetched_once() -> None:
    backend = Backend(state(), simulate="E: Unable to locate package nano")
    with pytest.raises(PackageManagerError, match="Unable to locate package nano; no package was changed"):
        converge(backend, install=["nano"])
    assert backend.log == ["read", "simulate", "refresh", "simulate"]


def test_a_mirror_that_is_away_is_told_with_what_it_left_impossible() -> None:
    backend = Backend(state(), stale=True, refresh="E: Failed to fetch", simulate="E: Unable to locate")
    with pytest.raises(
        PackageManagerError, match="Failed to fetch; then: E: Unable to locate; no package was changed"
    ):
        converge(backend, install=["nano"])


def test_a_mirror_that_is_away_is_a_warning_when_the_old_lists_do() -> None:
    backend = Backend(state(), stale=True, refresh="E: Failed to fetch")
    result = converge(backend, install=["nano"])
    assert (result["changed"], result["warnings"]) == (True, ["E: Failed to fetch"])


def test_security_upgrades_leave_held_and_pinned_packages_alone() -> None:
    backend = Backend(state("libssl3", "nano"))
    result = converge(backend, upgrade="security", hold=["nano"])
    assert kinds(result) == ["hold nano", "install libssl3"]


def test_a_failed_transaction_tells_what_it_did_not_do() -> None:
    backend = Backend(state("old"), commit="dpkg: error processing package nano")
    with pytest.raises(PlanError) as failure:
        converge(backend, install=["nano"], remove=["old"])
    result = failure.value.result()
    assert result["msg"] == "install nano: dpkg: error processing package nano; no package was changed"
    assert (result["changed"], [change["key"] for change in result["pending"]]) == (False, ["old"])


def test_a_failed_transaction_tells_what_it_did_all_the_same() -> None:
    class Half(Backend):
        def commit(self, transaction: Transaction) -> None:
            self.current = State((), "amd64", interrupted=(transaction.install[0].name,))
            raise PackageManagerError("dpkg: error processing package nano")

    with pytest.raises(PlanError) as failure:
        converge(Half(state("old")), install=["nano"], remove=["old"])
    result = failure.value.result()
    assert result["changed"]
    assert [change["key"] for change in result["applied"]] == ["old"]
    assert "the next run repairs nano" in result["msg"]
