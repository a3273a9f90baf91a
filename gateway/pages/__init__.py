"""What a page is made of: panels, each a template plus the keys that it listens to."""
