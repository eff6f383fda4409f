"""Streams of items, of any length: read line by line, worked on in order, with progress shown."""
