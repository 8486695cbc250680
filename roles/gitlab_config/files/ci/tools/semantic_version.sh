#!/bin/sh
# The next version by the commits since the last tag vX.Y.Z: breaking changes, features, fixes.
# Writes version.env (VERSION, RELEASE) and notes.md. Titles of commits are data: printed, never run.
set -eu

is_version='^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$'
last=$(git tag --merged HEAD --list 'v*' --sort=-v:refname | grep -E "$is_version" | head -n 1 || true)
if [ -n "$last" ]; then range="$last..HEAD"; else range=HEAD; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git log --no-merges --format=%s "$range" >"$work/titles"
git log --no-merges --format=%B "$range" >"$work/messages"

of_kind() { grep -E "^($1)(\([^()]*\))?!?: " "$work/titles" || true; }

if grep -qE '^[a-z]+(\([^()]*\))?!: ' "$work/titles" || grep -qE '^BREAKING[ -]CHANGE: ' "$work/messages"; then
  level=major
elif [ -n "$(of_kind feat)" ]; then
  level=minor
elif [ -n "$(of_kind 'fix|perf|revert')" ]; then
  level='patch'
else
  level=none
fi

version=${last#v}
if [ -z "$last" ]; then
  version=0.1.0
  [ "$level" = none ] || level=first
fi
major=${version%%.*}
patch=${version##*.}
minor=${version#*.}
minor=${minor%.*}
# Before 1.0.0 the minor number is what breaks.
if [ "$level" = major ] && [ "$major" = 0 ]; then level=minor; fi
case $level in
  major) version=$((major + 1)).0.0 ;;
  minor) version=$major.$((minor + 1)).0 ;;
  patch) version=$major.$minor.$((patch + 1)) ;;
esac
if [ "$level" = none ]; then release=false; else release=true; fi

printf 'VERSION=%s\nRELEASE=%s\n' "$version" "$release" >version.env
{
  printf '## %s\n' "$version"
  for section in 'Features:feat' 'Fixes:fix|perf|revert'; do
    of_kind "${section#*:}" >"$work/section"
    [ -s "$work/section" ] || continue
    printf '\n### %s\n\n' "${section%%:*}"
    while IFS= read -r title; do printf -- '- %s\n' "$(printf '%s' "$title" | tr -d '\140<>@')"; done <"$work/section"
  done
} >notes.md
cat version.env
