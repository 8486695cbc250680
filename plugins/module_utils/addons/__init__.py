# Copyright (c) 2026 Groundwork contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine of the addon catalog, on the controller.

Pure: ``catalog`` and ``schema`` (entries), ``layers`` and ``known`` (values), ``resolve`` (order),
``lock``, ``digest``, ``objects``, ``desired``, ``plan``, ``schedule``. With the cluster: ``api`` (the one
seam to it), ``helm`` (the one seam to processes), ``state``, ``lease``, ``health``, ``apply``, ``remove``,
``drift``, and ``engine``, which runs it all.
"""
