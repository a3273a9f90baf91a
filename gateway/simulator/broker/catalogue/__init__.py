"""What is listed and what it costs, as the bodies of REST answers; pure."""
