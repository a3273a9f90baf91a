"""The hub: the newest records, their history, and cursors into both."""
