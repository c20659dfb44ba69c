"""Every choice from every state of the real C, to a stated depth: no output stays on. See explore.c and explorer.py."""
