"""One file for each command: ``arguments(parser)`` and ``run(args)``. They speak to people; nothing imports them."""
