"""What is held and what it is worth: pure functions of positions, prices and the day."""
