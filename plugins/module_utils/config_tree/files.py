# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading and writing entries on the host: atomically, and never through a path that others control."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from typing import Iterator, List, Optional

from .entries import DIRECTORY, FILE, LINK, Accounts, Entry, TreeError

TEMPORARY_PREFIX = ".groundwork-"


class Files:
    """The file system below ``root``; entries are named as if ``root`` were ``/``.

    durable: every write is synced to the disk before it counts as done.
    tolerant: an owner that the host does not have is left out instead of refused.
    """

    def __init__(self, root: str = "/", durable: bool = True, tolerant: bool = False) -> None:
        self.root = root.rstrip("/")
        self.durable = durable
        self.tolerant = tolerant
        self.accounts = Accounts()
        self._trusted = {0, os.geteuid()}

    def real(self, path: str) -> str:
        """Where an entry's path is on this machine."""
        return self.root + path

    def exists(self, path: str) -> bool:
        """Whether there is anything at the path; a dangling link counts."""
        return os.path.lexists(self.real(path))

    def read(self, path: str) -> Optional[Entry]:
        """What is at the path, ``None`` for nothing. Raises :exc:`TreeError` for a device, socket or pipe."""
        real = self.real(path)
        try:
            found = os.lstat(real)
        except (FileNotFoundError, NotADirectoryError):
            return None
        owner, group = self.accounts.user(found.st_uid), self.accounts.group(found.st_gid)
        if stat.S_ISLNK(found.st_mode):
            return Entry(path, LINK, owner, group, target=os.readlink(real))
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISDIR(found.st_mode):
            return Entry(path, DIRECTORY, owner, group, mode)
        if not stat.S_ISREG(found.st_mode):
            raise TreeError(f"{path} is neither a file nor a directory nor a symbolic link on the host")
        descriptor = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        with open(descriptor, "rb") as stream:
            return Entry(path, FILE, owner, group, mode, stream.read())

    def check_way(self, entry: Entry) -> None:
        """Refuse a path that leads through a directory in which somebody else could exchange our file.

        Writers may be root and the entry's own owner and group. Raises :exc:`TreeError`.
        """
        users = self._trusted | {self.accounts.uid(entry.owner)}
        groups = {0, os.getegid(), self.accounts.gid(entry.group)}
        way = ""
        for part in entry.path.split("/")[1:-1]:
            way = f"{way}/{part}"
            try:
                found = os.lstat(self.real(way))
                if stat.S_ISLNK(found.st_mode):
                    if found.st_uid not in users:
                        raise TreeError(f"{entry.path}: {way} is a symbolic link owned by uid {found.st_uid}")
                    found = os.stat(self.real(way))
            except FileNotFoundError:
                return
            if not stat.S_ISDIR(found.st_mode):
                raise TreeError(f"{entry.path}: {way} is not a directory on the host")
            shared = not found.st_mode & stat.S_ISVTX
            if (
                found.st_uid not in users
                or (found.st_mode & stat.S_IWGRP and shared and found.st_gid not in groups)
                or (found.st_mode & stat.S_IWOTH and shared)
            ):
                raise TreeError(
                    f"{entry.path}: {way} can be written by {self.accounts.user(found.st_uid)}:"
                    f"{self.accounts.group(found.st_gid)} (mode {stat.S_IMODE(found.st_mode):04o}), "
                    f"who could exchange a file of {entry.owner}:{entry.group}; "
                    "give the entry that owner or tighten the directory"
                )

    def missing_parents(self, path: str) -> List[str]:
        """The directories above ``path`` that are not there, outermost first."""
        missing: List[str] = []
        parent = os.path.dirname(path)
        while parent != "/" and not os.path.isdir(self.real(parent)):
            missing.append(parent)
            parent = os.path.dirname(parent)
        return missing[::-1]

    def make_parents(self, path: str, mode: int) -> None:
        """Make the missing directories above ``path``, owned by whoever runs this: root."""
        for parent in self.missing_parents(path):
            os.mkdir(self.real(parent), 0o700)
            os.chmod(self.real(parent), mode)
            self._sync(os.path.dirname(parent))

    def write(self, entry: Entry) -> None:
        """Put the entry in its place; whoever looks sees the old one or the new one, never a part."""
        uid, gid = self._ids(entry)
        if entry.type == DIRECTORY:
            self._write_directory(entry, uid, gid)
        else:
            self._write_leaf(entry, uid, gid)
        self._sync(os.path.dirname(entry.path))

    def remove(self, path: str) -> None:
        """Remove what is at the path; a directory only if it is empty. Nothing there is fine."""
        real = self.real(path)
        try:
            if os.path.isdir(real) and not os.path.islink(real):
                os.rmdir(real)
            else:
                os.unlink(real)
        except FileNotFoundError:
            return
        self._sync(os.path.dirname(path))

    def remove_empty(self, path: str) -> bool:
        """Remove a directory if nothing is in it; whether it is gone."""
        try:
            os.rmdir(self.real(path))
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.EBUSY, errno.ENOTDIR):
                return False
            raise
        return True

    def sweep(self, directory: str) -> None:
        """Remove what an interrupted write left behind in a directory."""
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            for name in os.listdir(self.real(directory)):
                if name.startswith(TEMPORARY_PREFIX):
                    os.unlink(os.path.join(self.real(directory), name))

    def _write_directory(self, entry: Entry, uid: int, gid: int) -> None:
        real = self.real(entry.path)
        if os.path.islink(real) or not os.path.isdir(real):
            self.remove(entry.path)
            os.mkdir(real, 0o700)
        descriptor = os.open(real, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fchown(descriptor, uid, gid)
            os.fchmod(descriptor, entry.mode or 0)
        finally:
            os.close(descriptor)

    def _write_leaf(self, entry: Entry, uid: int, gid: int) -> None:
        name = os.path.basename(entry.path)
        temporary = TEMPORARY_PREFIX + secrets.token_hex(12)
        with self._directory(os.path.dirname(entry.path)) as parent:
            try:
                if entry.type == LINK:
                    os.symlink(entry.target, temporary, dir_fd=parent)
                    os.chown(temporary, uid, gid, dir_fd=parent, follow_symlinks=False)
                else:
                    self._write_file(entry, temporary, parent, uid, gid)
                if os.path.isdir(self.real(entry.path)) and not os.path.islink(self.real(entry.path)):
                    os.rmdir(name, dir_fd=parent)
                os.rename(temporary, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary, dir_fd=parent)
                raise

    def _write_file(self, entry: Entry, temporary: str, parent: int, uid: int, gid: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(temporary, flags, 0o600, dir_fd=parent), "wb") as stream:
            stream.write(entry.content)
            stream.flush()
            os.fchown(stream.fileno(), uid, gid)
            os.fchmod(stream.fileno(), entry.mode or 0)
            if self.durable:
                os.fsync(stream.fileno())

    def _ids(self, entry: Entry) -> tuple[int, int]:
        uid, gid = self.accounts.uid(entry.owner), self.accounts.gid(entry.group)
        if not self.tolerant and (uid is None or gid is None):
            raise TreeError("the host has no " + ", ".join(self.accounts.unknown([entry])))
        return (-1 if uid is None else uid), (-1 if gid is None else gid)

    @contextlib.contextmanager
    def _directory(self, path: str) -> Iterator[int]:
        descriptor = os.open(self.real(path) or "/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _sync(self, directory: str) -> None:
        if self.durable:
            with self._directory(directory) as descriptor:
                os.fsync(descriptor)
