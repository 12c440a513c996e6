"""Results in, text and tables out."""
