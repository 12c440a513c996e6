"""Networks that do a task, and what the field measures in them."""
