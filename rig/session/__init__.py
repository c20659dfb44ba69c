"""A session from the wish to the summary: intent, checks, launch, the loop, and what happens when a cable is pulled."""
