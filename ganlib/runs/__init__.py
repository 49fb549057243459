"""Chapters run from the command line, one or many, and what a run leaves behind."""
