"""The settings of groups and projects, with what they are when nobody has said anything."""

from __future__ import annotations

from typing import Any

from lab.doubles.gitlab.api import VISIBILITY

ACCESS = ("disabled", "private", "enabled")
PUBLIC_ACCESS = (*ACCESS, "public")

_FEATURES = (
    "issues",
    "repository",
    "merge_requests",
    "forking",
    "wiki",
    "builds",
    "snippets",
    "analytics",
    "container_registry",
    "releases",
    "environments",
    "feature_flags",
    "infrastructure",
    "monitor",
    "model_experiments",
    "model_registry",
)

PROJECT: dict[str, Any] = {
    "description": None,
    "build_git_strategy": "fetch",
    "build_timeout": 3600,
    "auto_cancel_pending_pipelines": "enabled",
    "ci_config_path": None,
    **{f"{feature}_access_level": "enabled" for feature in _FEATURES},
    "security_and_compliance_access_level": "private",
    "pages_access_level": "private",
    "package_registry_access_level": "enabled",
    "emails_enabled": True,
    "show_diff_preview_in_email": True,
    "warn_about_potentially_unwanted_characters": True,
    "enforce_auth_checks_on_uploads": True,
    "shared_runners_enabled": True,
    "group_runners_enabled": True,
    "resource_group_default_process_mode": "unordered",
    "resolve_outdated_diff_discussions": False,
    "remove_source_branch_after_merge": True,
    "lfs_enabled": True,
    "public_jobs": True,
    "request_access_enabled": True,
    "only_allow_merge_if_pipeline_succeeds": False,
    "allow_merge_on_skipped_pipeline": False,
    "only_allow_merge_if_all_discussions_are_resolved": False,
    "topics": [],
    "printing_merge_request_link_enabled": True,
    "merge_method": "merge",
    "suggestion_commit_message": None,
    "merge_commit_template": None,
    "squash_commit_template": None,
    "issue_branch_template": None,
    "auto_devops_enabled": False,
    "auto_devops_deploy_strategy": "continuous",
    "autoclose_referenced_issues": True,
    "squash_option": "default_off",
    "merge_request_title_regex": None,
    "merge_request_title_regex_description": None,
    "service_desk_enabled": False,
    "packages_enabled": True,
}
# What GitLab takes only once the project is there.
PROJECT_LATER: dict[str, Any] = {
    "ci_default_git_depth": 20,
    "ci_delete_pipelines_in_seconds": None,
    "ci_forward_deployment_enabled": True,
    "ci_forward_deployment_rollback_allowed": True,
    "ci_separated_caches": True,
    "ci_allow_fork_pipelines_to_run_in_parent_project": True,
    "ci_id_token_sub_claim_components": ["project_path", "ref_type", "ref"],
    "ci_pipeline_variables_minimum_override_role": "no_one_allowed",
    "ci_push_repository_for_job_token_allowed": False,
    "keep_latest_artifact": True,
    "max_artifacts_size": None,
}
PROJECT_EE: dict[str, Any] = {
    "approvals_before_merge": 0,
    "mirror": False,
    "mirror_trigger_builds": False,
    "only_mirror_protected_branches": None,
    "mirror_overwrites_diverged_branches": None,
    "merge_pipelines_enabled": False,
    "merge_trains_enabled": False,
    "only_allow_merge_if_all_status_checks_passed": False,
    "requirements_access_level": "enabled",
    "issues_template": None,
    "merge_requests_template": None,
    "external_authorization_classification_label": "",
}
# These EE settings are of the update alone.
PROJECT_EE_LATER = frozenset(
    (
        "only_mirror_protected_branches",
        "mirror_overwrites_diverged_branches",
        "merge_pipelines_enabled",
        "merge_trains_enabled",
        "issues_template",
        "merge_requests_template",
    )
)
# The old switches of features and the levels that they stand for.
SWITCHES = {
    "issues_enabled": "issues_access_level",
    "merge_requests_enabled": "merge_requests_access_level",
    "wiki_enabled": "wiki_access_level",
    "jobs_enabled": "builds_access_level",
    "snippets_enabled": "snippets_access_level",
    "container_registry_enabled": "container_registry_access_level",
}
EXPIRATION_POLICY: dict[str, Any] = {
    "cadence": "1d",
    "enabled": False,
    "keep_n": 10,
    "older_than": "90d",
    "name_regex": ".*",
    "name_regex_keep": None,
}
PROJECT_ENUMS: dict[str, tuple[Any, ...]] = {
    **{f"{feature}_access_level": ACCESS for feature in _FEATURES},
    "security_and_compliance_access_level": ACCESS,
    "requirements_access_level": ACCESS,
    "pages_access_level": PUBLIC_ACCESS,
    "package_registry_access_level": PUBLIC_ACCESS,
    "visibility": VISIBILITY,
    "merge_method": ("ff", "rebase_merge", "merge"),
    "squash_option": ("never", "always", "default_on", "default_off"),
    "build_git_strategy": ("fetch", "clone"),
    "auto_cancel_pending_pipelines": ("disabled", "enabled"),
    "auto_devops_deploy_strategy": ("continuous", "manual", "timed_incremental"),
    "resource_group_default_process_mode": (
        "unordered",
        "oldest_first",
        "newest_first",
        "newest_ready_first",
    ),
}
PROJECT_ENUMS_LATER: dict[str, tuple[Any, ...]] = {
    "ci_pipeline_variables_minimum_override_role": ("no_one_allowed", "developer", "maintainer", "owner"),
}

GROUP: dict[str, Any] = {
    "description": "",
    "share_with_group_lock": False,
    "require_two_factor_authentication": False,
    "two_factor_grace_period": 48,
    "project_creation_level": "developer",
    "auto_devops_enabled": None,
    "subgroup_creation_level": "maintainer",
    "emails_enabled": True,
    "show_diff_preview_in_email": True,
    "mentions_disabled": None,
    "lfs_enabled": True,
    "request_access_enabled": True,
    "default_branch": None,
    "default_branch_protection": 2,
    "default_branch_protection_defaults": {
        "allowed_to_push": [{"access_level": 40}],
        "allow_force_push": False,
        "allowed_to_merge": [{"access_level": 40}],
        "developer_can_initial_push": False,
    },
    "shared_runners_setting": "enabled",
    "enabled_git_access_protocol": "all",
}
GROUP_LATER: dict[str, Any] = {
    "lock_math_rendering_limits_enabled": False,
    "math_rendering_limits_enabled": True,
    "max_artifacts_size": None,
    "prevent_sharing_groups_outside_hierarchy": False,
}
GROUP_EE: dict[str, Any] = {"membership_lock": False, "wiki_access_level": "enabled"}
GROUP_EE_LATER: dict[str, Any] = {
    "prevent_forking_outside_group": None,
    "file_template_project_id": None,
    "ip_restriction_ranges": None,
    "allowed_email_domains_list": None,
}
GROUP_ENUMS: dict[str, tuple[Any, ...]] = {
    "visibility": VISIBILITY,
    "project_creation_level": ("noone", "owner", "maintainer", "developer", "administrator"),
    "subgroup_creation_level": ("owner", "maintainer"),
    "default_branch_protection": (0, 1, 2, 3, 4),
    "shared_runners_setting": ("disabled_and_unoverridable", "disabled_and_overridable", "enabled"),
    "enabled_git_access_protocol": ("ssh", "http", "all"),
    "wiki_access_level": ACCESS,
}
