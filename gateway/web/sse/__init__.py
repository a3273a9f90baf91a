"""The Server-Sent Events response."""
