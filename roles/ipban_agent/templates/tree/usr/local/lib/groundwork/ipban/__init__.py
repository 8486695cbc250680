"""The ban list's agent: keeps the kernel's sets of a host in step with the ban list's database."""
