"""Recordings: NWB files read, inspected and written; manifests verified and fetched."""
