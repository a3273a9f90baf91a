"""The HTTP control of a simulator: faults on demand, and what was seen."""
