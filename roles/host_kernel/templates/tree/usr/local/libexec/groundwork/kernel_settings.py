"""Apply the settings of the role host_kernel, or tell whether they hold.

verify: what the files say, before they count. apply: bring kernel and mounts to what they say.
check: exit 1 where something differs from what apply would make of it.

Only settings that the role's files name are touched. Their values are those that systemd-sysctl would give
them from all files together.
"""

from __future__ import annotations

import glob
import grp
import json
import os
import subprocess
import sys

CONFIGURATION = "/etc/groundwork/kernel.json"
DIRECTORIES = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d")
OWN = ("55-host_kernel.conf", "90-host_kernel.conf")
SITE = "/etc/sysctl.d/90-host_kernel.conf"
FORMER = "/var/lib/groundwork/host_kernel/former.conf"
ROOT = "/proc/sys/"
FLAGS = ("nodev", "noexec", "nosuid")
# RTF_DEFAULT and RTF_ADDRCONF of linux/ipv6_route.h: a default route from a router advertisement.
ROUTE_FROM_ROUTER = 0x00010000 | 0x00040000


def settings_of(path):
    """(key as a path below /proc/sys, value, whether it may be missing) for each line, see sysctl.d(5)."""
    found = []
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            key, separator, value = line.strip().partition("=")
            if not separator or key.startswith(("#", ";")):
                continue
            optional = key.startswith("-")
            found.append((path_of(key.lstrip("-").strip()), value.strip(), optional))
    return found


def path_of(key):
    """The first separator decides about the other: net.ipv4.conf.eth0/100.x is net/ipv4/conf/eth0.100/x."""
    first = next((character for character in key if character in "./"), "/")
    return key if first == "/" else key.translate(str.maketrans("./", "/."))


def files():
    """All files of sysctl.d in the order of their names; of two with one name, the first directory's."""
    named = {}
    for directory in DIRECTORIES:
        for path in glob.glob(f"{directory}/*.conf"):
            named.setdefault(os.path.basename(path), path)
    return [named[name] for name in sorted(named)]


def effective():
    """Key to (value, file) over all files; as in systemd-sysctl, a whole key wins over a pattern."""
    exact, patterns = {}, {}
    for path in files():
        for key, value, _optional in settings_of(path):
            (patterns if "*" in key else exact).pop(key, None)
            (patterns if "*" in key else exact)[key] = (value, path)
    matched = {}
    for pattern, setting in patterns.items():
        for key in existing(pattern):
            matched[key] = setting
    return {**matched, **exact}


def existing(pattern):
    return [path[len(ROOT) :] for path in glob.glob(ROOT + pattern)]


def own():
    """Keys that the role's files name, asterisks resolved."""
    keys = set()
    for path in files():
        if os.path.basename(path) in OWN:
            for key, _value, _optional in settings_of(path):
                keys.update(existing(key) if "*" in key else [key])
    return keys


def read(key):
    with open(ROOT + key, encoding="utf-8") as setting:
        return setting.read().strip()


def write(key, value):
    with open(ROOT + key, "w", encoding="utf-8") as setting:
        setting.write(value + "\n")


def same(one, other):
    return one.split() == other.split()


def required():
    """Keys of the site's file that the kernel must have. What a container lacks belongs to the machine."""
    if not os.path.exists(SITE) or configuration()["container"]:
        return set()
    return {key for key, _value, optional in settings_of(SITE) if not optional and "*" not in key}


def configuration():
    with open(CONFIGURATION, encoding="utf-8") as text:
        return json.load(text)


def name(key):
    return key.translate(str.maketrans("./", "/."))


def settings_that_differ():
    """(key, value) for each setting of the role that the kernel has and that is not what it should be."""
    values = effective()
    differing = []
    for key in sorted(own()):
        try:
            if not same(read(key), values[key][0]):
                differing.append((key, values[key][0]))
        except FileNotFoundError:
            continue
        except PermissionError:
            # A few can be written but not read; those are written on every change.
            differing.append((key, values[key][0]))
    return differing


def apply_settings():
    """Write what differs, remember what was there; the problems."""
    missing = [key for key in sorted(required()) if not os.path.exists(ROOT + key)]
    problems = [f"{name(key)}: the kernel has no such setting" for key in missing]
    former = {key: value for key, value, _optional in settings_of(FORMER)} if os.path.exists(FORMER) else {}
    wanted, values = own(), effective()
    for key in [key for key in former if key not in wanted]:
        value = values[key][0] if key in values else former[key]
        try:
            if os.path.exists(ROOT + key) and not same(read(key), value):
                write(key, value)
        except OSError as error:
            print(f"{name(key)} keeps its value until the next boot: {value} was refused, {error.strerror}")
        del former[key]
    # A change of forwarding makes the kernel set redirects anew, so it goes first.
    differing = sorted(settings_that_differ(), key=lambda setting: "forward" not in setting[0])
    for key, _value in differing:
        if key not in former:
            try:
                former[key] = read(key)
            except OSError:
                continue
    remember(former)
    for key, value in differing:
        try:
            write(key, value)
        except OSError as error:
            where = values[key][1]
            if configuration()["container"] and isinstance(error, PermissionError):
                print(f"{name(key)}: left to the machine, since a container can't set it")
            else:
                problems.append(f"{name(key)} = {value} ({where}): {error.strerror}")
    return problems


def remember(former):
    """In the format of sysctl.d, so that anyone can put it back."""
    os.makedirs(os.path.dirname(FORMER), mode=0o700, exist_ok=True)
    lines = ["# Values from before the role host_kernel, put back when it no longer sets them.\n"]
    lines += [f"{key} = {value}\n" for key, value in sorted(former.items())]
    with open(FORMER + ".new", "w", encoding="utf-8") as text:
        text.writelines(lines)
    os.replace(FORMER + ".new", FORMER)


def mounts():
    """Mount point to (options of the mount, of the file system); of several on one path, the uppermost."""
    found = {}
    with open("/proc/self/mountinfo", encoding="utf-8") as lines:
        for line in lines:
            fields = line.split()
            end = fields.index("-")
            point = fields[4].encode().decode("unicode_escape")
            found[point] = (fields[5].split(","), fields[end + 3].split(","))
    return found


def flags(options):
    """Each flag said out loud: mount(8) keeps those that a remount does not name."""
    return [flag if flag in options else flag[2:] for flag in FLAGS]


def mounts_that_differ():
    mounted = mounts()
    differing = []
    for path, options in configuration()["mounts"].items():
        there = os.path.realpath(path)
        current = mounted[there][0] if there in mounted else None
        if current is None or any((flag in options) != (flag in current) for flag in FLAGS):
            differing.append((there, options, current is None))
    return differing


def proc_that_differs():
    """The options that /proc has to be remounted with, or nothing."""
    wanted = configuration()["proc"]
    if not wanted["hidepid"]:
        return ""
    group = str(grp.getgrnam(wanted["group"]).gr_gid)
    current = dict(option.partition("=")[::2] for option in mounts()["/proc"][1])
    level = {"noaccess": "1", "invisible": "2"}.get(current.get("hidepid", ""), current.get("hidepid", ""))
    same_options = level == str(wanted["hidepid"]) and current.get("gid", "0") == group
    return "" if same_options else f"remount,hidepid={wanted['hidepid']},gid={group}"


def apply_mounts():
    problems = []
    for path, options, bind in mounts_that_differ():
        if bind:
            problems += mount("--bind", path, path)
        problems += mount("--options", ",".join(["remount", "bind", *flags(options)]), path)
    options = proc_that_differs()
    if options:
        problems += mount("--options", options, "/proc")
    return problems


def mount(*arguments):
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    return [f"mount {' '.join(arguments)}: {done.stderr.strip()}"] if done.returncode else []


def verify():
    """What can be told without touching anything."""
    problems = []
    values = effective()
    if os.path.exists(SITE):
        for key, value, _optional in settings_of(SITE):
            other, path = values.get(key, (value, SITE))
            if "*" not in key and path != SITE and not same(other, value):
                problems.append(
                    f"{name(key)} = {value} (host_kernel_sysctl) loses"
                    f" against {other} in {path}, which comes later"
                )
    if any(key.endswith("/accept_ra_defrtr") and values[key][0] == "0" for key in own()):
        for interface in interfaces_with_advertised_route():
            problems.append(
                f"the IPv6 default route of {interface} comes from router advertisements,"
                " which the kernel would no longer take: give it a static one,"
                " or set host_kernel_ipv6_router_advertisements"
            )
    return problems


def verify_here():
    """The same, and what a dry run can't tell, since roles before this one may still make it."""
    problems = verify()
    for path in configuration()["mounts"]:
        if not os.path.isdir(path):
            problems.append(f"{path} (host_kernel_mounts): the host has no such directory")
    proc = configuration()["proc"]
    if proc["hidepid"] and proc["group"] not in [group.gr_name for group in grp.getgrall()]:
        problems.append(f"{proc['group']} (host_kernel_proc_group): the host has no such group")
    return problems


def interfaces_with_advertised_route():
    try:
        with open("/proc/net/ipv6_route", encoding="ascii") as lines:
            fields = [line.split() for line in lines]
    except FileNotFoundError:
        return []
    return sorted({f[9] for f in fields if int(f[8], 16) & ROUTE_FROM_ROUTER == ROUTE_FROM_ROUTER})


def check():
    found = [
        f"{name(key)} is not {value}"
        for key, value in settings_that_differ()
        if os.access(ROOT + key, os.R_OK | os.W_OK)
    ]
    found += [
        f"{path} is not mounted with {','.join(options)}"
        for path, options, _filesystem in mounts_that_differ()
    ]
    options = proc_that_differs()
    return found + ([f"/proc is not mounted with {options}"] if options else [])


def main():
    actions = {
        "verify-planned": verify,
        "verify": verify_here,
        "apply": lambda: apply_settings() + apply_mounts(),
        "check": check,
    }
    if len(sys.argv) != 2 or sys.argv[1] not in actions:
        sys.exit(f"usage: {sys.argv[0]} {'|'.join(actions)}")
    problems = actions[sys.argv[1]]()
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
