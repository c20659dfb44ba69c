"""The fault simulator: one seed draws a rig, an animal, a session and everything that goes wrong with it; checkers that
know the promises, and not the code, judge what came of it.

    make sim                   for a minute, at random
    make sim SEEDS=100000      for a night
    make sim SEED=1234         one of them again

May not: be imported by the program.
"""
