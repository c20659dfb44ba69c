"""Light during a session: commanded, read back, compared, and held against the plan."""
