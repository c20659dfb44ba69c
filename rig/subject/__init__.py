"""An animal: its history, its weight and its water."""
