"""What can stand at the other end of a link on this computer: the C trial machine, the simulated rig, its animals."""
