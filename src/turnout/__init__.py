"""Turnout: an attendance-reporting server for businesses that run classes and appointments."""

__version__ = "0.1.0"
