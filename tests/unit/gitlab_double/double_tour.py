"""python-gitlab, which knows nothing of the double, does everything that the double can do.

Each stop asserts what it saw. What the client has no method for goes through its ``http_*`` functions.
"""

from __future__ import annotations

import double_stops_sections as sections
import double_stops_tree as tree
import gitlab
from double_stops import Tour

from lab.doubles.gitlab import Server


def run(server: Server) -> Tour:
    """All stops, in an order in which each finds what it needs."""
    tour = Tour(server, gitlab.Gitlab(server.url, private_token=server.root_token))
    for stop in (
        tree.users,
        tree.instance,
        tree.groups,
        tree.projects,
        tree.members,
        tree.shares,
        sections.variables,
        sections.hooks,
        sections.labels,
        sections.keys_and_badges,
        sections.repositories,
        sections.protections,
        sections.schedules,
        sections.job_tokens,
        sections.access_tokens,
        sections.integrations,
        sections.mirrors_and_environments,
        sections.runners,
        sections.attributes,
        tree.moves,
        tree.deletions,
    ):
        stop(tour)
    if tour.ee:
        sections.enterprise(tour)
    return tour
