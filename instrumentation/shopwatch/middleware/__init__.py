"""Thin adapters of server interfaces over one shared record of a request."""
