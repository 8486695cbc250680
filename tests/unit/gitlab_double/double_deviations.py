"""Where the double knows more than the API document, and why. A test refuses an entry that is not needed."""

from __future__ import annotations

_PART = "the document leaves the resource out, though python-gitlab and the user documentation have it"
_EE = "of the Enterprise Edition, whose document is not this one"

# Prefixes of routes that the document does not have.
ROUTES = {
    "/application/settings": _PART,
    "/users": _PART,
    "/user": _PART,
    "/projects/{}/labels": _PART,
    "/groups/{}/labels": _PART,
    "/projects/{}/access_tokens": f"{_PART}; it has the rotation by the token itself alone",
    "/groups/{}/access_tokens": f"{_PART}; it has the rotation by the token itself alone",
    "/groups/{}/hooks": _EE,
    "/projects/{}/push_rule": _EE,
    "/groups/{}/push_rule": _EE,
    "/projects/{}/approvals": _EE,
    "/projects/{}/approval_rules": _EE,
    "/projects/{}/protected_environments": _EE,
}

_REMOVAL = (
    "immediate removal, which the document leaves out: https://docs.gitlab.com/api/projects/#delete-a-project"
)
PARAMETERS = {
    "DELETE /projects/{}": ({"permanently_remove", "full_path"}, _REMOVAL),
    "DELETE /groups/{}": ({"permanently_remove", "full_path"}, _REMOVAL),
}

STATUSES = {
    "DELETE /groups/{}": (
        202,
        "a deletion that is scheduled is accepted, as that of a project in the document",
    ),
    "POST /projects/{}/repository/commits": (
        201,
        "a commit is created; the document has its generator's default",
    ),
}

# Operations whose answers are held to the entity of another one.
ENTITIES = {
    "GET /projects": (
        "GET /groups/{}/projects",
        "the document has what anonymous callers see; with a token projects are shown whole",
    ),
    "PUT /projects/{}/deploy_keys/{}": (
        "GET /projects/{}/deploy_keys/{}",
        "an update answers what a read does, can_push among it",
    ),
}

_LISTED = (
    "what is allowed is answered as a pair of ids: https://docs.gitlab.com/api/project_job_token_scopes/"
)
# Fields that are answered beyond the entity that the document names.
FIELDS = {
    "POST /projects/{}/job_token_scope/allowlist": ({"source_project_id", "target_project_id"}, _LISTED),
    "POST /projects/{}/job_token_scope/groups_allowlist": ({"source_project_id", "target_group_id"}, _LISTED),
}

# Sent by python-gitlab without a use: with whatever is uploaded comes a part for the other kind of upload.
SENT = {"PUT /groups/{id}: file", "PUT /projects/{id}: file"}
