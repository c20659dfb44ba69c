"""The microscope beside a session: its frame clock, and the trial's number for its analogue channel."""
