"""An animal's history: what its sessions were, what it weighed and drank, where in training it stands.

Floor 2: puts together the records below a data folder (``rig.brief``) and what people said (``rig.ledger``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rig.errors import ConfigError
from rig.plan import Plan
from rig.plan.read import plan_from_data
from rig.plan.today import Done
from rig.record.brief import Brief, brief
from rig.record.folder import JOURNAL, sessions
from rig.subject.ledger import LEDGER, Deed, read_ledger
from rig.training import Attended, Move, Training


@dataclass(frozen=True)
class History:
    """Everything known of one animal, oldest first."""

    subject: str
    briefs: tuple[Brief, ...] = ()
    deeds: tuple[Deed, ...] = ()

    def done(self) -> list[Done]:
        """Its sessions, as the light plan asks for them."""
        return [Done(one.on, one.day, one.last_trial) for one in self.briefs if one.day is not None]

    def weights(self) -> list[tuple[date, float]]:
        """``(day, g)``, in order of time."""
        found = [(one.utc, one.on, one.weight_g) for one in self.briefs if one.weight_g]
        found += [(deed.utc, deed.on, float(deed.value)) for deed in self.deeds if deed.what == "weight"]
        return [(on, float(weight_g)) for _, on, weight_g in sorted(found)]

    @property
    def weight_g(self) -> float | None:
        """The last weight."""
        return self.weights()[-1][1] if self.weights() else None

    @property
    def baseline_g(self) -> float | None:
        """What it weighed before restriction: as somebody said, else its first weight."""
        said = [float(deed.value) for deed in self.deeds if deed.what == "baseline"]
        return said[-1] if said else (self.weights()[0][1] if self.weights() else None)

    def water_ul(self, on: date) -> tuple[float, float]:
        """Water of a day, µL: in sessions, by hand."""
        drunk = sum(one.water_ul for one in self.briefs if one.on == on)
        return drunk, sum(float(deed.value) for deed in self.deeds if deed.what == "water" and deed.on == on)

    def own(self) -> dict[str, str]:
        """Parameters that somebody set for this animal."""
        found: dict[str, str] = {}
        for deed in self.deeds:
            if deed.what == "set":
                found[deed.name] = str(deed.value)
            elif deed.what == "unset":
                found.pop(deed.name, None)
        return found

    def energy_mj(self) -> dict[str, float]:
        """Light so far, mJ by site; NaN where a session's power is not known."""
        found: dict[str, float] = {}
        for one in self.briefs:
            if one.light and one.light["trials"]:
                energy = one.light["energy_mj"]
                site = one.light["site"]
                found[site] = found.get(site, 0.0) + (float("nan") if energy is None else energy)
        return found

    def stage(self, training: Training) -> tuple[str, Move | None]:
        """The stage its next session begins in, and the move that led there since the last one. Raises ConfigError."""
        trained = [one for one in self.briefs if one.stage]
        last, last_utc = (trained[-1].stage, trained[-1].utc) if trained else (training.stages[0].name, "")
        moved = [deed for deed in self.deeds if deed.what == "stage"]
        if moved and moved[-1].utc > last_utc:
            deed = moved[-1]
            training.index(str(deed.value))
            if deed.value == last:
                return last, None
            reason = f"by hand ({deed.who or 'unknown'}: {deed.why or 'no reason given'})"
            return str(deed.value), Move(last, str(deed.value), reason)
        names = [stage.name for stage in training.stages]
        if last not in names:
            raise ConfigError(
                f"{self.subject} is in stage {last}, which the training does not have any more:"
                f" say rig subject {self.subject} --stage {names[0]}"
            )
        since = moved[-1].utc if moved else ""
        attended = [Attended(one.stage, one.stage_trials, one.stage_rewarded) for one in trained if one.utc > since]
        move = training.after_sessions(last, attended)
        return (move.after, move) if move else (last, None)


def history(data: Path, subject: str) -> History:
    """What is known of an animal. Raises RecordError for a damaged ledger."""
    briefs = [found for folder in sessions(data, subject) if (found := brief(folder)) is not None]
    return History(subject, tuple(sorted(briefs, key=lambda one: one.utc)), read_ledger(data, subject))


def first_plan(data: Path, study: str) -> Plan | None:
    """The plan that the study's first record below this folder holds; None before there is one."""
    found: Brief | None = None
    for folder in sessions(data):
        one = brief(folder)
        if one and one.plan and one.plan["study"] == study and (found is None or one.utc < found.utc):
            found = one
    return plan_from_data(found.plan, f"{found.subject}/{found.session}") if found else None


def subjects(data: Path) -> list[str]:
    """Every animal with a record or a ledger."""
    recorded = {path.parent.parent.name for path in data.glob(f"*/*_*/{JOURNAL}")}
    return sorted(recorded | {path.parent.name for path in data.glob(f"*/{LEDGER}")})
