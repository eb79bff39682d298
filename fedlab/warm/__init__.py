"""Warm kernels: each a fresh process, forked from a template that has the libraries imported already."""
