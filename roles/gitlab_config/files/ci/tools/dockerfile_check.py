"""Holds Dockerfiles to the conventions of this project.

dockerfile_check.py PATTERN [PATTERN...], a pattern being a path or a glob such as **/Dockerfile*.
Findings are lines of the form FILE:LINE: RULE: MESSAGE. Exit code 0: none, 1: some, 2: no such file.
A finding is accepted by a comment above its line: # dockerfile-check: ignore RULE because REASON
"""

import glob
import re
import sys

RULES = {
    "base-digest": "images are pinned by digest, NAME:TAG@sha256:DIGEST",
    "base-latest": "an image is named by a version: not latest, not nothing",
    "user-root": "the last stage ends with a USER that is not root",
    "add-url": "ADD fetches nothing without --checksum",
    "healthcheck": "the last stage has a HEALTHCHECK, or is told why not by an ignore comment at its FROM",
    "secret": "ARG and ENV hold no secrets, they stay in the image: RUN --mount=type=secret",
    "pipe-to-shell": "nothing that was just fetched is run by a shell",
    "ignore": "an ignore comment names a rule and a reason",
}
SECRET = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?)"
    r"(?:$|_(?!FILE|PATH|URL|DIR))",
    re.I,
)
REMOTE = re.compile(r"^(?:https?|ftp|git|ssh)://|^git@", re.I)
PIPED = re.compile(r"\b(?:curl|wget)\b[^;&|]*\|\s*(?:sudo\s+)?(?:env\s+)?(?:\S*/)?(?:ba|da|z|k)?sh\b")
HEREDOC = re.compile(r"<<-?\s*([\"']?)([A-Za-z_][A-Za-z0-9_]*)\1")
VARIABLE = re.compile(r"\$(?:\{(\w+)(?::?-([^}]*))?\}|(\w+))")
IGNORE = re.compile(r"#\s*dockerfile-check:\s*ignore\b\s*(\S*)\s*(?:because\s+(\S.*))?$", re.I)


def instructions(text):
    """Yield (line number, keyword, arguments, ignored rules) with continued lines joined."""
    escape = "`" if re.match(r"(?:\s*#.*\n)*?\s*#\s*escape\s*=\s*`", text, re.I) else "\\"
    lines = text.splitlines()
    ignored, position = {}, 0
    while position < len(lines):
        start, line = position + 1, lines[position].strip()
        position += 1
        if not line or line.startswith("#"):
            found = IGNORE.match(line)
            if found and found[1] in RULES and found[2]:
                ignored[found[1]] = start
            elif found:
                yield start, "", line, {}
            continue
        parts = []
        while True:
            continued = line.endswith(escape)
            parts.append(line[:-1] if continued else line)
            if not continued or position >= len(lines):
                break
            # Comments and empty lines between continued lines belong to nobody.
            line = lines[position].strip()
            position += 1
            if not line or line.startswith("#"):
                line = escape
        keyword, _blank, arguments = " ".join(parts).strip().partition(" ")
        if keyword.upper() in ("RUN", "COPY", "ADD"):
            for _quote, end in HEREDOC.findall(arguments):
                while position < len(lines):
                    body = lines[position]
                    position += 1
                    if body.strip() == end:
                        break
                    arguments += "\n" + body
        if keyword.upper() == "ONBUILD":
            keyword, _blank, arguments = arguments.strip().partition(" ")
        yield start, keyword.upper(), arguments.strip(), ignored
        ignored = {}


def expand(value, arguments):
    """The value with build arguments replaced by their defaults; one without a default stays as it is."""

    def default(found):
        name = found[1] or found[3]
        return arguments.get(name) or found[2] or found[0]

    return VARIABLE.sub(default, value)


def image_findings(image, stages, arguments):
    image = expand(image, arguments)
    if image.lower() in stages or image == "scratch" or image.isdigit():
        return
    name, _at, digest = image.partition("@")
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
        yield "base-digest", image
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    if tag == "latest" or (not tag and not digest):
        yield "base-latest", image


def secrets(keyword, arguments):
    if keyword == "ENV" and "=" not in arguments.split(None, 1)[0]:
        names = [arguments.split(None, 1)[0]]
    else:
        unquoted = re.sub(r"\"[^\"]*\"|'[^']*'", "''", arguments)
        names = re.findall(r"(?:^|\s)([A-Za-z_]\w*)(?==|\s|$)", unquoted)
    return [name for name in names if SECRET.search(name)]


def check(text):
    """The findings as (line, rule, subject)."""
    found, defaults, stages, last = [], {}, set(), None
    for line, keyword, arguments, ignored in instructions(text):

        def report(rule, subject, line=line, ignored=ignored):
            if rule not in ignored:
                found.append((line, rule, subject))

        words = arguments.split()
        if keyword == "":
            report("ignore", arguments)
        elif not words:
            continue
        elif keyword == "FROM":
            image, *rest = [word for word in words if not word.startswith("--")] or [""]
            for rule, subject in image_findings(image, stages, defaults):
                report(rule, subject)
            name = rest[1].lower() if len(rest) == 2 and rest[0].upper() == "AS" else ""
            stages |= {name} if name else set()
            last = {"line": line, "user": None, "user_line": line, "health": False, "ignored": dict(ignored)}
        elif keyword == "COPY":
            for word in words:
                if word.startswith("--from="):
                    for rule, subject in image_findings(word[7:], stages, defaults):
                        report(rule, subject)
        elif keyword == "ADD":
            checked = any(word.startswith("--checksum=") for word in words)
            for word in re.split(r"[\s\[\]\",]+", arguments):
                if REMOTE.match(word) and not checked:
                    report("add-url", word)
        elif keyword in ("ARG", "ENV"):
            for name in secrets(keyword, arguments):
                report("secret", name)
            if keyword == "ARG" and last is None:
                for word in words:
                    name, _equals, value = word.partition("=")
                    defaults[name] = value.strip("\"'")
        elif keyword == "RUN" and PIPED.search(arguments):
            report("pipe-to-shell", PIPED.search(arguments)[0])
        if last is None:
            continue
        if keyword == "USER":
            last.update(user=words[0], user_line=line)
            last["ignored"].update(ignored)
        elif keyword == "HEALTHCHECK":
            last["health"] = words[0].upper() != "NONE"
            last["ignored"].update(ignored)
    if last is None:
        return [*found, (1, "base-digest", "no FROM")]
    user = (last["user"] or "").partition(":")[0].strip("\"'")
    if user in ("", "root", "0") and "user-root" not in last["ignored"]:
        found.append((last["user_line"], "user-root", f"USER {last['user']}" if last["user"] else "no USER"))
    if not last["health"] and "healthcheck" not in last["ignored"]:
        found.append((last["line"], "healthcheck", "no HEALTHCHECK"))
    return sorted(found)


def main(patterns):
    paths = sorted({path for pattern in patterns for path in glob.glob(pattern, recursive=True)})
    if not patterns or not paths:
        print(f"dockerfile_check.py: no file matches {' '.join(patterns) or 'nothing'}", file=sys.stderr)
        return 2
    total = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            findings = check(file.read())
        total += len(findings)
        for line, rule, subject in findings:
            print(f"{path}:{line}: {rule}: {subject}: {RULES[rule]}")
    print(f"{len(paths)} checked, {total} findings")
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
