"""Integrations of projects and groups: what they are told, and what they tell of it."""

# ruff: noqa: ARG001  # entities and rules share one signature, whether they need all of it or not

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.doubles.gitlab.api import MAINTAINER, OWNER, Request, bad_parameter, not_found, route
from lab.doubles.gitlab.collection import typed
from lab.doubles.gitlab.state import Row, now

_CHAT_EVENTS = (
    "push_events",
    "issues_events",
    "confidential_issues_events",
    "merge_requests_events",
    "note_events",
    "confidential_note_events",
    "tag_push_events",
    "pipeline_events",
    "wiki_page_events",
)
_CHANNELS = (
    "push_channel",
    "issue_channel",
    "confidential_issue_channel",
    "merge_request_channel",
    "note_channel",
    "confidential_note_channel",
    "tag_push_channel",
    "pipeline_channel",
    "wiki_page_channel",
)
_NOTIFIER = ("notify_only_broken_pipelines", "branches_to_be_notified")
# Shown with every integration, whether it has them or not.
SHOWN_EVENTS = (
    *_CHAT_EVENTS,
    "commit_events",
    "deployment_events",
    "job_events",
    "incident_events",
    "alert_events",
)


@dataclass(frozen=True)
class Kind:
    """``secret`` properties are taken and never told."""

    title: str
    required: tuple[str, ...]
    properties: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()

    @property
    def params(self) -> set[str]:
        return {*self.required, *self.properties, *self.events, *self.secret, "use_inherited_settings"}


KINDS = {
    "slack": Kind(
        "Slack notifications",
        ("webhook",),
        (
            "username",
            "channel",
            *_NOTIFIER,
            "labels_to_be_notified",
            "labels_to_be_notified_behavior",
            *_CHANNELS,
        ),
        (*_CHAT_EVENTS, "deployment_events", "incident_events", "alert_events"),
        ("webhook",),
    ),
    "mattermost": Kind(
        "Mattermost notifications",
        ("webhook",),
        ("username", "channel", *_NOTIFIER, "labels_to_be_notified", *_CHANNELS),
        (*_CHAT_EVENTS, "deployment_events", "incident_events"),
        ("webhook",),
    ),
    "microsoft-teams": Kind(
        "Microsoft Teams notifications", ("webhook",), _NOTIFIER, _CHAT_EVENTS, ("webhook",)
    ),
    "discord": Kind("Discord Notifications", ("webhook",), _NOTIFIER, _CHAT_EVENTS, ("webhook",)),
    "telegram": Kind(
        "Telegram", ("token", "room"), ("hostname", "thread", *_NOTIFIER), _CHAT_EVENTS, ("token",)
    ),
    "jira": Kind(
        "Jira issues",
        ("url", "password"),
        (
            "api_url",
            "jira_auth_type",
            "username",
            "jira_issue_regex",
            "jira_issue_prefix",
            "jira_issue_transition_id",
            "issues_enabled",
            "project_keys",
        ),
        ("commit_events", "merge_requests_events"),
        ("password",),
    ),
    "harbor": Kind("Harbor", ("url", "project_name", "username", "password"), secret=("password",)),
    "jenkins": Kind(
        "Jenkins",
        ("jenkins_url", "project_name"),
        ("enable_ssl_verification", "username"),
        ("push_events", "merge_requests_events", "tag_push_events"),
        ("password",),
    ),
    "emails-on-push": Kind(
        "Emails on push",
        ("recipients",),
        ("send_from_committer_email", "disable_diffs", "branches_to_be_notified"),
        ("push_events", "tag_push_events"),
    ),
    "pipelines-email": Kind(
        "Pipeline status emails",
        ("recipients",),
        (*_NOTIFIER, "notify_only_default_branch"),
        ("pipeline_events",),
    ),
    "external-wiki": Kind("External wiki", ("external_wiki_url",)),
    "custom-issue-tracker": Kind(
        "Custom issue tracker", ("project_url", "issues_url", "new_issue_url"), (), ("push_events",)
    ),
    "youtrack": Kind("JetBrains YouTrack", ("project_url", "issues_url"), (), ("push_events",)),
    "redmine": Kind("Redmine", ("project_url", "issues_url", "new_issue_url"), (), ("push_events",)),
    "confluence": Kind("Confluence Workspace", ("confluence_url",)),
}


def entity(request: Request, row: Row) -> dict[str, Any]:
    kind = KINDS[row["slug"]]
    shown = {name: row["events"].get(name, name in kind.events) for name in SHOWN_EVENTS}
    return shown | {
        "id": row["id"],
        "title": kind.title,
        "slug": row["slug"],
        "created_at": row["created_at"],
        "updated_at": row["updated_at"],
        "active": True,
        "comment_on_event_enabled": True,
        "inherited": row["inherited"],
        "vulnerability_events": False,
    }


def detail(request: Request, row: Row) -> dict[str, Any]:
    kind = KINDS[row["slug"]]
    told = (name for name in (*kind.required, *kind.properties) if name not in kind.secret)
    return entity(request, row) | {"properties": {name: row["properties"].get(name) for name in told}}


def _list(request: Request) -> Any:
    return [entity(request, row) for row in request.state.peek(f"{request.owner_key}/integrations").values()]


def _one(request: Request) -> Row:
    row = request.state.row(f"{request.owner_key}/integrations", request.args["slug"])
    if row is None:
        raise not_found("Integration")
    return row


def _delete(request: Request) -> None:
    _one(request)
    del request.rows("integrations")[request.args["slug"]]


def _put(request: Request, slug: str) -> Row:
    kind = KINDS[slug]
    rows = request.rows("integrations")
    row = rows.get(slug)
    if row is None:
        missing = [name for name in kind.required if name not in request.params]
        if missing:
            raise bad_parameter(", ".join(f"{name} is missing" for name in missing))
        row = {
            "id": request.state.next_id("integrations"),
            "slug": slug,
            "created_at": now(),
            "properties": {},
            "events": {},
            "inherited": False,
        }
        rows[slug] = row
    for name, value in request.params.items():
        if name in kind.events:
            row["events"][name] = typed(value, True)
        elif name == "use_inherited_settings":
            row["inherited"] = typed(value, False)
        elif name in kind.params:
            row["properties"][name] = value
    row["updated_at"] = now()
    return row


for _owner, _level in (("projects", MAINTAINER), ("groups", OWNER)):
    _many = f"/{_owner}/{{id}}/integrations"
    route("GET", _many, level=_level)(_list)
    route("GET", f"{_many}/{{slug}}", level=_level, entity=detail)(_one)
    route("DELETE", f"{_many}/{{slug}}", level=_level)(_delete)
    for _slug, _kind in KINDS.items():

        def _handler(request: Request, slug: str = _slug) -> Row:
            return _put(request, slug)

        route("PUT", f"{_many}/{_slug}", level=_level, params=_kind.params, entity=entity)(_handler)
