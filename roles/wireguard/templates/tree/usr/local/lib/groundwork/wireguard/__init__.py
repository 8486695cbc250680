"""The hub's own program: it keeps the kernel's WireGuard, routes and firewall equal to one settings file."""
