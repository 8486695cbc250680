"""The lab's Kubernetes: components built from their Go modules, a real node, and capacity that kwok plays."""
