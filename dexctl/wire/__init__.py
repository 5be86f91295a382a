"""Sockets between workers and optimizer: experience one way, parameters the other.

``optimizer`` and ``worker`` are the two ends; the rest of the folder is what they are made of.
The protocol is written down in dexctl-wire(5).
"""
