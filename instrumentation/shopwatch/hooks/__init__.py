"""Hooks into other libraries, one a file, each called outright; none is imported by the others."""
