"""Which recordings there are, where they lie, and what their bytes must be."""
