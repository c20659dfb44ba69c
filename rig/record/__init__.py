"""A session on disk: its journal, how it is read, and the proof that it is whole and was decided as it says."""
