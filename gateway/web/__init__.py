"""The downstream half: browsers, curl and programs. Knows the hub, never the broker."""
