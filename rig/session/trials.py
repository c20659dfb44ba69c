"""The trials of a session: which one runs, which the board holds for next, and what came of those before.

A protocol makes a trial from its step of the course, the table compiles it. May not: speak to a board or keep a record;
the session does (:mod:`rig.session.loop`), and says when.
"""

from __future__ import annotations

from typing import Any

from rig.experiment.protocol import Protocol
from rig.experiment.table import Bench, Limits, compile_trial
from rig.experiment.task import Past, Result
from rig.session.course import Course, Step, trial_chance
from rig.session.watcher import Staged


class Trials:
    """Makes a session's trials, and follows them.

    Args:
        course: what each trial is given.
        bench, limits: what the table needs to know of this rig.
        seed: every trial's chance comes from it and from the trial's number.

    Attributes:
        past: what came of the trials so far.
        running, staged: the trial under way; the one that the board holds for next.
        state, outcome: of the trial under way; the outcome is None until a state says one.
        begun: trials that began and count.
    """

    def __init__(self, experiment: Protocol, course: Course, bench: Bench, limits: Limits, seed: int) -> None:
        self.experiment, self.course, self.bench, self.limits = experiment, course, bench, limits
        self.past = Past()
        self.running: Staged | None = None
        self.staged: Staged | None = None
        self.state = ""
        self.outcome: str | None = None
        self.begun = 0
        self._seed = seed
        self._number = 0  # of the trial made last
        self._sent: dict[int, Staged] = {}  # trials the board was given; one that was replaced may have begun before

    # --- to come -----------------------------------------------------------------------------------------------------

    def next_step(self) -> Step:
        """What the trial after the one made last is given."""
        return self.course.step(self._number + 1, self.past)

    def make(self, step: Step) -> Staged:
        """The trial of a step, which is now the one to come. Raises ProtocolError."""
        return self._make(step, self.past)

    def make_again(self, number: int, past: int, last: str | None) -> Staged:
        """A trial of the record: made when there were ``past`` results, the last of them ``last`` so far."""
        then = Past(self.past.results[:past])
        if then.results:
            then.results[-1] = then.results[-1]._replace(outcome=last)
        return self._make(self.course.step(number, then), then)

    def _make(self, step: Step, past: Past) -> Staged:
        made = self.experiment.trial(step.values, past, trial_chance(self._seed, step.trial))
        trial = self.course.allowed(made)
        staged = Staged(step.trial, trial, compile_trial(trial, self.bench, self.limits))
        self._number, self.staged = step.trial, staged
        self._sent[step.trial] = staged
        return staged

    def about(self, step: Step, staged: Staged) -> dict[str, Any]:
        """What the record says of a trial: enough to make it again, and to name its numbers."""
        table = staged.table
        return {
            "trial": staged.number,
            "table": table.digest(),
            "given": step.given,
            "stage": step.stage,
            "info": staged.trial.info,
            "outcomes": table.outcomes,
            "past": self.past.n,
            "last": self.past.results[-1].outcome if self.past.n else None,
            "states": table.state_names,
            "rules": table.rule_names,
            "generators": table.generator_names,
        }

    def drop_staged(self) -> None:
        """The trial to come is none any more, though it may have begun."""
        self.staged = None

    def sent(self, number: int) -> Staged | None:
        """A trial that the board was given, and that has not begun as far as is known."""
        return self._sent.get(number)

    # --- under way ---------------------------------------------------------------------------------------------------

    def begin(self, number: int) -> None:
        """It has begun."""
        self.running = self._sent.get(number)
        self._sent = {later: one for later, one in self._sent.items() if later > number}
        if self.running is self.staged:
            self.staged = None
        self.begun += 1
        self.outcome = None

    def enter(self, state: int) -> bool:
        """It is in this state. True: which says how the trial went, so the next can be made."""
        if self.running is None:
            return False
        self.state = self.running.table.state_names[state]
        outcome = self.running.table.outcomes[state]
        if outcome is None:
            return False
        if self.outcome is None:
            self.past.results.append(Result(self.running.number, outcome, self.running.trial.info))
        else:  # a later state says it better
            self.past.results[-1] = self.past.results[-1]._replace(outcome=outcome)
        self.outcome = outcome
        return True

    def end(self, *, done: bool, again: bool) -> bool:
        """Nothing runs any more. True: the trial counts, as one that went to its end or had been decided.

        Args:
            done: it went to its end.
            again: the animal gets another one for it if it does not count.
        """
        ended, self.running, self.state = self.running, None, ""
        if ended is None:
            return False
        if self.outcome is None:
            self.past.results.append(Result(ended.number, None, ended.trial.info))
        counts = done or self.outcome is not None
        if not counts and again:
            self.begun -= 1
        return counts
