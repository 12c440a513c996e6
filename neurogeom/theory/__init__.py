"""A problem in, a solution out: what a task alone says about the code that solves it."""
