"""A file a revision; one that was published is never changed."""
