# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host as it would be: staged entries overlaid in a mount namespace that nobody else sees.

:func:`in_child` forks; the child calls :func:`stage`, which leaves the host's mount
namespace and lays an overlay, its upper layer in memory, over each directory that
staged entries concern. The kernel removes all of it when the child ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import tempfile
import traceback
from typing import Any, Callable, List, Mapping, Optional

from .entries import Entry, TreeError
from .files import Files

# Values of <sched.h> and <sys/mount.h>; os.unshare exists from Python 3.12 only, os.mount in none.
_CLONE_NEWNS = 0x00020000
_MS_BIND = 4096
_MS_REC = 16384
_MS_PRIVATE = 1 << 18


def in_child(work: Callable[[], Any]) -> Any:
    """The JSON-serialisable result of ``work``, which runs in a forked child.

    Raises :exc:`TreeError` with the reason when the child could not do it.
    """
    with tempfile.TemporaryFile() as channel:
        child = os.fork()
        if child == 0:
            try:
                channel.write(json.dumps(_answer(work)).encode())
                channel.flush()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        channel.seek(0)
        answer = json.loads(channel.read() or b'{"error": "the validating process was killed"}')
    if "error" in answer:
        raise TreeError(f"the staged files could not be validated: {answer['error']}")
    return answer["result"]


def stage(staged: Mapping[str, Optional[Entry]], directory_mode: int, workspace: str) -> None:
    """Make this process see the staged entries (``None``: removed) in their places.

    workspace: an empty directory for the memory file system. Raises :exc:`TreeError`, :exc:`OSError`.
    """
    _leave_namespace()
    _mount("tmpfs", workspace, "tmpfs", 0, "mode=0700")
    for number, directory in enumerate(overlaid_directories(list(staged))):
        layer = os.path.join(workspace, str(number))
        if directory == "/":
            _overlay_root(layer)
        else:
            _overlay(directory, directory, layer)
    files = Files(durable=False, tolerant=True)
    for path, entry in sorted(staged.items()):
        if entry is not None:
            files.make_parents(path, directory_mode)
            files.write(entry)
    for path in sorted((path for path, entry in staged.items() if entry is None), reverse=True):
        files.remove(path)


def overlaid_directories(paths: List[str]) -> List[str]:
    """The nearest existing directories above the paths, without those inside another; ``/`` comes last.

    The nearest, because an overlay hides nothing but what is really concerned.
    """
    nearest = set()
    for path in paths:
        parent = os.path.dirname(path)
        while not os.path.isdir(parent):
            parent = os.path.dirname(parent)
        nearest.add(os.path.realpath(parent))
    outermost = {
        d for d in nearest if not any(d.startswith(other + "/") for other in nearest if other != "/")
    }
    return sorted(outermost, reverse=True)


def _answer(work: Callable[[], Any]) -> Mapping[str, Any]:
    try:
        return {"result": work()}
    except (TreeError, OSError) as error:
        return {"error": str(error)}
    except Exception:
        return {"error": traceback.format_exc()}


def _leave_namespace() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNS) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise TreeError(f"no private mount namespace can be made: {reason} (it takes CAP_SYS_ADMIN)")
    _mount("none", "/", "", _MS_REC | _MS_PRIVATE, "")


def _overlay(lower: str, target: str, layer: str) -> None:
    """Lay a writable layer over a directory; what is mounted inside it stays visible."""
    inner = [(mount, os.open(mount, os.O_PATH)) for mount in _mounts_below(lower)] if lower != "/" else []
    upper, work = os.path.join(layer, "upper"), os.path.join(layer, "work")
    os.makedirs(upper)
    os.mkdir(work)
    lower_stat = os.stat(lower)
    os.chown(upper, lower_stat.st_uid, lower_stat.st_gid)
    os.chmod(upper, lower_stat.st_mode & 0o7777)
    _mount("overlay", target, "overlay", 0, f"lowerdir={_escaped(lower)},upperdir={upper},workdir={work}")
    for mount, descriptor in inner:
        _mount(f"/proc/self/fd/{descriptor}", mount, "", _MS_BIND | _MS_REC, "")
        os.close(descriptor)


def _overlay_root(layer: str) -> None:
    """A root of its own, for a path in a new top directory: nothing can be mounted over ``/``."""
    root = os.path.join(layer, "root")
    os.makedirs(root)
    tops = [entry.name for entry in os.scandir("/") if entry.is_dir(follow_symlinks=False)]
    _overlay("/", root, layer)
    for top in tops:
        _mount(f"/{top}", os.path.join(root, top), "", _MS_BIND | _MS_REC, "")
    os.chroot(root)
    os.chdir("/")


def _mounts_below(directory: str) -> List[str]:
    """Mount points inside a directory, outermost first."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        points = {
            line.split(" ")[4].encode("utf-8", "surrogateescape").decode("unicode_escape") for line in table
        }
    below = sorted(point for point in points if point.startswith(directory + "/"))
    return [point for point in below if not any(point.startswith(other + "/") for other in below)]


def _escaped(path: str) -> str:
    for character in ("\\", ":", ","):
        path = path.replace(character, "\\" + character)
    return path


def _mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = [os.fsencode(text) or None for text in (source, target, kind)]
    if libc.mount(*arguments, ctypes.c_ulong(flags), os.fsencode(options) or None) != 0:
        raise TreeError(f"{kind or 'bind'} mount on {target}: {os.strerror(ctypes.get_errno())}")
