"""The command line: words in, calls of the public face out."""
