"""Jobs, as roles and the site drop them into ``/etc/groundwork/backup.d``: one file, one job."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from settings import DROP_INS, BackupError, settings

NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
LISTS = ("path", "exclude", "tag", "pre-command", "post-command")
SINGLE = ("description", "one-file-system")


@dataclass(frozen=True)
class Job:
    """What is backed up. Commands are argument lists; no shell takes part."""

    name: str
    paths: tuple[str, ...]
    excludes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pre_commands: tuple[tuple[str, ...], ...] = ()
    post_commands: tuple[tuple[str, ...], ...] = ()
    one_file_system: bool = False
    description: str = ""


@dataclass(frozen=True)
class Refused:
    """A drop-in that is no job, and why."""

    name: str
    reason: str


def read_all(only: tuple[str, ...] = ()) -> tuple[list[Job], list[Refused]]:
    """All drop-ins, or those named. Raises :exc:`BackupError` for a name without a drop-in."""
    try:
        files = sorted(name for name in os.listdir(DROP_INS) if name.endswith(".conf"))
    except FileNotFoundError:
        files = []
    unknown = sorted(set(only) - {name[: -len(".conf")] for name in files})
    if unknown:
        raise BackupError(f"no such job: {', '.join(unknown)}; {DROP_INS} has {', '.join(files) or 'none'}")
    jobs, refused = [], []
    for name in files:
        if only and name[: -len(".conf")] not in only:
            continue
        try:
            jobs.append(read(f"{DROP_INS}/{name}"))
        except BackupError as failure:
            refused.append(Refused(name[: -len(".conf")], str(failure)))
    return jobs, refused


def read(path: str) -> Job:
    """One drop-in. Raises :exc:`BackupError` that names the file, the line and the rule."""
    name = os.path.basename(path)[: -len(".conf")]
    if not NAME.fullmatch(name):
        raise BackupError(f"{path}: the name must be of lower case letters, digits, - and _")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, encoding="utf-8") as file:
            found = os.fstat(descriptor)
            # Its commands run as root.
            if not stat.S_ISREG(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
                raise BackupError(f"{path}: must be a file that only root can write")
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise BackupError(f"{path} can't be read: {error}") from error
    values: dict[str, Any] = {key: [] for key in LISTS}
    for number, key, value in _lines(path, text):
        where = f"{path}, line {number}: {key}"
        if key in SINGLE:
            if key in values:
                raise BackupError(f"{where} is there twice")
            values[key] = value
        else:
            values[key].append(_value(where, key, value))
    return _job(path, name, values)


def _lines(path: str, text: str) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        key, equals, value = (part.strip() for part in line.partition("="))
        if key not in LISTS + SINGLE or not equals:
            known = ", ".join(LISTS + SINGLE)
            raise BackupError(
                f"{path}, line {number}: {line.strip()!r} must be KEY = VALUE with a key of {known}"
            )
        if not value or "\0" in value:
            raise BackupError(f"{path}, line {number}: {key} needs a value")
        yield number, key, value


def _value(where: str, key: str, value: str) -> Any:
    if key == "path":
        if not value.startswith("/") or os.path.normpath(value) != value or value.startswith("//"):
            raise BackupError(
                f"{where} is {value!r}: must be an absolute path without .., // and a slash at the end"
            )
    elif key == "exclude":
        if (
            re.search(r"[\[\]\\!]", value)
            or ("/" in value and not value.startswith("/"))
            or value.endswith("/")
        ):
            raise BackupError(
                f"{where} is {value!r}: must be an absolute path or the name of a file, "
                "with *, ? and ** (any folders) as the only wildcards"
            )
    elif key == "tag":
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", value):
            raise BackupError(f"{where} is {value!r}: must be of letters, digits, _, . and -")
    else:
        try:
            words = tuple(shlex.split(value))
        except ValueError as error:
            raise BackupError(f"{where} is {value!r}: {error}") from error
        if not words or not words[0].startswith("/"):
            raise BackupError(f"{where} is {value!r}: must begin with the absolute path of a program")
        return words
    return value


def _job(path: str, name: str, values: dict[str, Any]) -> Job:
    if not values["path"]:
        raise BackupError(f"{path}: needs at least one path")
    one_file_system = values.get("one-file-system", "no")
    if one_file_system not in ("yes", "no"):
        raise BackupError(f"{path}: one-file-system is {one_file_system!r}: must be yes or no")
    if "/" in values["path"] and one_file_system == "no":
        raise BackupError(
            f"{path}: the path / needs one-file-system = yes; name the other file systems as paths"
        )
    # A path below another one would be visited twice.
    paths = sorted({p for p in values["path"] if not any(_below(p, other) for other in values["path"])})
    return Job(
        name,
        tuple(paths),
        tuple(values["exclude"]),
        tuple(values["tag"]),
        tuple(values["pre-command"]),
        tuple(values["post-command"]),
        one_file_system == "yes",
        values.get("description", ""),
    )


def _below(path: str, other: str) -> bool:
    return path != other and path.startswith(other.rstrip("/") + "/")


def all_excludes(job: Job) -> tuple[str, ...]:
    """A backup never holds the repository that it goes to."""
    own = [settings()["local"]] if settings()["local"] else []
    return (*job.excludes, *own)
