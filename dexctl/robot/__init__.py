"""Floor 4: robots, real and simulated, and the loop that runs a policy on one."""
