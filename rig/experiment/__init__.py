"""What an experiment is written in, and what becomes of it: protocol file, trial, compiled table, drawing."""
