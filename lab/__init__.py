"""The lab: real systemd hosts on one machine, made as parts that add themselves.

``python -m lab --help`` lists the verbs; ``./run lab`` calls them, and so does molecule.
"""
