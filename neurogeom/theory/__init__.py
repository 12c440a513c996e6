"""What geometry to expect, and why."""
