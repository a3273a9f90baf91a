"""Who may see what: tokens, sessions, viewers."""
