"""What turns records into bytes, once for all who see the same."""
