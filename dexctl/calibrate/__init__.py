"""Floor 5: the simulation is fitted to recorded motion (appendix C.3), and the joint sensors to markers (B.5)."""
