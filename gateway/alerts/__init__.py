"""Alerts: what is watched, when it fires, and when it may fire again."""
