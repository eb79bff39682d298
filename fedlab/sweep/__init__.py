"""Sweeps: a params file becomes a graph of notebook runs, each run once, kept, and collected into one table."""
