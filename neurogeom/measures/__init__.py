"""One file a measure, to be read beside its paper."""
