"""Doubles: programs that play a service which no registry offers. Nothing here is the real thing."""
