# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shell script and the units that put a change back without this collection, Python or a connection."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import Dict, FrozenSet, List, Mapping, Optional, Sequence

from .commands import SEARCH_PATH
from .entries import DIRECTORY, Entry

_SCRIPT = r"""#!/bin/sh
# Written by groundwork.platform.config_tree: puts back what a change of the tree @NAME@ replaced.
# Verbs: fire (also what the timer does), disarm, collect. It may be run again after an interruption.
PATH=@PATH@
export PATH
umask 022
dir=@DIRECTORY@
unit=@UNIT@
units=@UNITS@
confirmed=@CONFIRMED@
failed=0

attempt() {
  "$@" || { failed=1; echo "failed: $*"; }
}

# put KEPT PLACE: a kept file or link, atomically to its place
put() {
  parent=$(dirname -- "$2")
  mkdir -p -- "$parent"
  if [ -d "$2" ] && [ ! -L "$2" ]; then rmdir -- "$2"; fi
  cp -a -- "$1" "$parent/.groundwork-rollback" && mv -fT -- "$parent/.groundwork-rollback" "$2"
}

# put_directory PLACE OWNER MODE
put_directory() {
  if [ ! -d "$1" ] || [ -L "$1" ]; then rm -f -- "$1"; mkdir -p -- "$1"; fi
  chown -- "$2" "$1" && chmod -- "$3" "$1"
}

# take PLACE: what the change made
take() {
  if [ -d "$1" ] && [ ! -L "$1" ]; then rmdir --ignore-fail-on-non-empty -- "$1"; else rm -f -- "$1"; fi
}

clean_units() {
  systemctl stop "$unit.timer"
  rm -f -- "$units/timers.target.wants/$unit.timer" "$units/$unit.timer" "$units/$unit.service"
  systemctl daemon-reload
}

fire() {
  if ! mv -T -- "$dir/armed" "$dir/firing" 2>/dev/null && [ ! -e "$dir/firing" ]; then
    echo "nothing is armed"
    return 0
  fi
  echo "the change of @NAME@ was not confirmed and is put back"
@RESTORE@
  sync
@COMMANDS@
  date '+put back at %Y-%m-%dT%H:%M:%S%z' >>"$dir/firing"
  mv -fT -- "$dir/firing" "$dir/fired"
  clean_units
  echo "done"
  return "$failed"
}

disarm() {
  if mv -T -- "$dir/armed" "$dir/disarmed" 2>/dev/null; then
    # For whoever asks again because this answer got lost.
    mkdir -p -- "$(dirname -- "$confirmed")" && : >"$confirmed"
    clean_units
    rm -rf -- "$dir"
    echo disarmed
  elif [ -e "$dir/firing" ]; then
    echo firing
  elif [ -e "$dir/fired" ]; then
    echo fired
  fi
}

collect() {
  if [ -e "$dir/fired" ]; then
    echo fired
    cat "$dir/fired"
    rm -rf -- "$dir"
  elif [ -e "$dir/firing" ]; then
    echo firing
  elif [ -e "$dir/armed" ]; then
    echo armed
  fi
}

case "${1:-fire}" in fire | disarm | collect) "${1:-fire}" ;; *) exit 64 ;; esac; exit
"""

_SERVICE = """[Unit]
Description=Put back an unconfirmed change of {name}

[Service]
Type=oneshot
ExecStart=/bin/sh {directory}/rollback.sh fire
"""

_TIMER = """[Unit]
Description=Clock for the confirmation of a change of {name}

[Timer]
OnActiveSec={seconds}s
AccuracySec=100ms

[Install]
WantedBy=timers.target
"""


@dataclass(frozen=True)
class Rollback:
    """What has to be put back.

    before: what was at each changed path, ``None`` for nothing. records: the same for the manifest and the
    backups. parents: directories that the change makes. commands: run after the files are back.
    """

    before: Mapping[str, Optional[Entry]]
    records: Mapping[str, Optional[Entry]] = field(default_factory=dict)
    parents: FrozenSet[str] = frozenset()
    commands: Sequence[Sequence[str]] = field(default_factory=list)

    def everything(self) -> Dict[str, Optional[Entry]]:
        """All paths to put back; the manifest and the backups come last."""
        return {**self.before, **self.records}

    def kept(self) -> Dict[str, Entry]:
        """Files and links to keep, by their name in the rollback's directory."""
        leaves = [e for e in self.everything().values() if e is not None and e.type != DIRECTORY]
        return {str(number): entry for number, entry in enumerate(leaves)}


def script(rollback: Rollback, name: str, directory: str, unit: str, units: str, confirmed: str) -> str:
    """The script. ``directory`` has the kept files in ``files/``; disarming makes ``confirmed``."""
    text = _SCRIPT
    for word, value in {
        "@RESTORE@": "\n".join(f"  attempt {line}" for line in _restore(rollback, directory)),
        "@COMMANDS@": "\n".join(f"  attempt {shlex.join(command)}" for command in rollback.commands),
        "@NAME@": name,
        "@PATH@": SEARCH_PATH,
        "@DIRECTORY@": shlex.quote(directory),
        "@UNITS@": shlex.quote(units),
        "@CONFIRMED@": shlex.quote(confirmed),
        "@UNIT@": shlex.quote(unit),
    }.items():
        text = text.replace(word, value)
    return text


def service(name: str, directory: str) -> str:
    """The unit that runs the script."""
    return _SERVICE.format(name=name, directory=directory)


def timer(name: str, seconds: int) -> str:
    """The unit that is the clock; started, or at boot, it counts from the beginning."""
    return _TIMER.format(name=name, seconds=seconds)


def _restore(rollback: Rollback, directory: str) -> List[str]:
    gone = [path for path, entry in rollback.everything().items() if entry is None]
    lines = [f"take {shlex.quote(path)}" for path in sorted(gone, reverse=True)]
    lines += [
        shlex.join(["put_directory", path, f"{entry.owner}:{entry.group}", f"{entry.mode or 0:04o}"])
        for path, entry in sorted(rollback.before.items())
        if entry is not None and entry.type == DIRECTORY
    ]
    lines += [
        shlex.join(["put", f"{directory}/files/{number}", entry.path])
        for number, entry in rollback.kept().items()
    ]
    lines += [f"take {shlex.quote(path)}" for path in sorted(rollback.parents, reverse=True)]
    return lines
