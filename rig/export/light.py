"""The light of a session in NWB, by ndx-optogenetics: one epoch a trial with light, one row a pulse.

Floor 1, part of :mod:`rig.export.nwb`. When the laser was on is what the board told of its output; what was planned
and what the read-back saw are in the tables of trials and events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rig.export.about import Light
from rig.export.tables import event_tables
from rig.record.entry import Entry, SessionBytes

Seconds = Callable[[Any], NDArray[np.float64]]
_UNSAID = Light(float("nan"), "not recorded")


def add_light(nwb: Any, session: SessionBytes, entry: Entry, about: Light | None, seconds: Seconds) -> None:
    """Source, effector and site, and every pulse; nothing for a session whose laser was never on."""
    pulses = pulses_of(session)
    if not len(pulses):
        return
    from ndx_optogenetics import OptogeneticEpochsTable, OptogeneticPulsesTable  # noqa: PLC0415

    said = about or _UNSAID
    _add_metadata(nwb, said, str(entry.session.params.get("site") or "not recorded"))
    sites = nwb.lab_meta_data["optogenetic_experiment_metadata"].optogenetic_sites_table
    power_mw = _powers_mw(session)
    each = OptogeneticPulsesTable(
        name="optogenetic_pulses",
        description="every pulse, by the board's laser output; power: mean over the trial's light, ramps included",
        target_tables={"optogenetic_sites": sites},
    )
    for trial, on_us, off_us in pulses.tolist():
        start, stop = seconds([on_us, off_us]).tolist()
        each.add_row(
            start_time=start,
            stop_time=stop,
            power_in_mW=power_mw.get(trial, np.nan),
            wavelength_in_nm=said.wavelength_nm,
            optogenetic_sites=[0],
        )
    epochs = OptogeneticEpochsTable(
        name="optogenetic_epochs",
        description="trials with light, from the first pulse's begin to the last one's end, ramps included",
        target_tables={"optogenetic_sites": sites},
    )
    for trial in np.unique(pulses[:, 0]).tolist():
        mine = pulses[pulses[:, 0] == trial]
        start, stop = seconds([mine[0, 1], mine[-1, 2]]).tolist()
        period_us = np.diff(mine[:, 1])
        epochs.add_row(
            start_time=start,
            stop_time=stop,
            stimulation_on=True,
            pulse_length_in_ms=float(np.median(mine[:, 2] - mine[:, 1]) / 1e3),
            period_in_ms=float(np.median(period_us) / 1e3) if len(period_us) else float("nan"),
            number_pulses_per_pulse_train=len(mine),
            number_trains=1,
            intertrain_interval_in_ms=float("nan"),
            power_in_mW=power_mw.get(trial, np.nan),
            wavelength_in_nm=said.wavelength_nm,
            optogenetic_sites=[0],
        )
    for table in (epochs, each):
        nwb.add_time_intervals(table)


def pulses_of(session: SessionBytes) -> NDArray[np.int64]:
    """(pulses, 3): trial, on and off in board µs, by the output events; one never switched off ends with the record."""
    outputs = event_tables(session.columns).get("output")
    if outputs is None:
        return np.empty((0, 3), np.int64)
    lit = np.array(["laser" in active.split("+") for active in outputs["active"]])
    before = np.append(False, lit[:-1])
    on, off = np.flatnonzero(lit & ~before), np.flatnonzero(~lit & before)
    ends = outputs["board_us"][off]
    if len(ends) < len(on):
        ends = np.append(ends, session.columns.board_us[session.columns.events].max())
    return np.stack([outputs["trial"][on], outputs["board_us"][on], ends], axis=1).astype(np.int64)


def _powers_mw(session: SessionBytes) -> dict[int, float]:
    """Mean power of each trial's light, by the calibration: energy over the time it was on."""
    return {
        note["trial"]: 1e6 * note["energy_mj"] / note["on_us"]
        for note in session.columns.notes("light")
        if note.get("on_us") and note.get("energy_mj") is not None
    }


def _add_metadata(nwb: Any, said: Light, site: str) -> None:
    import ndx_ophys_devices as ophys  # noqa: PLC0415
    import ndx_optogenetics as ogen  # noqa: PLC0415

    model = ophys.ExcitationSourceModel(
        name="light_source_model",
        manufacturer=said.manufacturer,
        source_type=said.source,
        excitation_mode=said.mode,
        description=f"{said.source} at {said.wavelength_nm:g} nm",
        wavelength_range_in_nm=[said.wavelength_nm, said.wavelength_nm],
    )
    nwb.add_device_model(model)
    source = ophys.ExcitationSource(name="light_source", description=f"{said.source}, aimed at {site}", model=model)
    nwb.add_device(source)
    viruses, injections, injection = _virus(said)
    effector = ophys.Effector(
        name="effector",
        label=said.opsin,
        description=said.opsin_description or said.opsin,
        **({"viral_vector_injection": injection} if injection else {}),
    )
    sites = ogen.OptogeneticSitesTable(description=f"where the light goes: {site}")
    sites.add_row(excitation_source=source, effector=effector)
    nwb.add_lab_meta_data(
        ogen.OptogeneticExperimentMetadata(
            stimulation_software="rig controller",
            optogenetic_sites_table=sites,
            optogenetic_effectors=ogen.OptogeneticEffectors(effectors=[effector]),
            **({"optogenetic_viruses": viruses, "optogenetic_virus_injections": injections} if injection else {}),
        )
    )


def _virus(said: Light) -> tuple[Any, Any, Any]:
    import ndx_ophys_devices as ophys  # noqa: PLC0415
    import ndx_optogenetics as ogen  # noqa: PLC0415

    virus = said.virus
    if virus is None:
        return None, None, None
    vector = ophys.ViralVector(
        name="virus",
        construct_name=virus.construct,
        manufacturer=virus.manufacturer,
        titer_in_vg_per_ml=virus.titer_vg_per_ml,
        description=f"carries {said.opsin}",
    )
    injection = ophys.ViralVectorInjection(
        name="injection",
        location=virus.location,
        hemisphere=virus.hemisphere,
        reference=virus.reference,
        ap_in_mm=virus.ap_mm,
        ml_in_mm=virus.ml_mm,
        dv_in_mm=virus.dv_mm,
        volume_in_uL=virus.volume_ul,
        viral_vector=vector,
        description=f"{virus.construct} into {virus.location}",
    )
    return (
        ogen.OptogeneticViruses(viral_vectors=[vector]),
        ogen.OptogeneticVirusInjections(viral_vector_injections=[injection]),
        injection,
    )
