"""Groups and projects as code, against the double of GitLab."""
