"""The emulated board: the real AVR program, counted in cycles, in virtual time.

Test tools only. Nothing under ``rig/`` may import this package: it stands on libsimavr, which is GPL and not shipped.
"""
