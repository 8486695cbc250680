"""The ban list in a cluster: written as the deny list of the ingress that is in use there."""
