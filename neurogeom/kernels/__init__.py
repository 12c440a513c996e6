"""Compiled inner loops: arrays in, arrays out, no checks, no random numbers."""
