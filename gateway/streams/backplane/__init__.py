"""The backplane: how records travel between processes, through Valkey."""
