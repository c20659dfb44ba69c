"""What a record cannot know of itself: the lab, the animals' sex and birth, the opsin. A file ``about.yaml`` says it.

Floor 1: reads that file. Everything in it may be left out; an exported file then lacks it, and the Inspector says so.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import yaml

from rig.errors import ConfigError

ABOUT = "about.yaml"


class Animal(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One animal."""

    sex: str = "U"
    date_of_birth: date | None = None
    species: str = "Mus musculus"
    strain: str | None = None
    genotype: str | None = None
    description: str | None = None


class Virus(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The virus that brought the opsin, and where it was injected (mm from bregma)."""

    construct: str
    manufacturer: str
    titer_vg_per_ml: float
    location: str
    hemisphere: str
    ap_mm: float
    ml_mm: float
    dv_mm: float
    volume_ul: float
    reference: str = "bregma at the cortical surface"


class Light(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The light: its source and what it acts on."""

    wavelength_nm: float
    opsin: str
    opsin_description: str = ""
    source: str = "laser"
    manufacturer: str = "not recorded"
    mode: str = "one-photon"
    virus: Virus | None = None


class About(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The file."""

    lab: str | None = None
    institution: str | None = None
    experimenter: list[str] = []  # "Last, First"
    experiment: str | None = None
    keywords: list[str] = []
    animals: dict[str, Animal] = {}
    every_animal: Animal = Animal()
    light: Light | None = None

    def animal(self, subject: str) -> Animal:
        """What is known of an animal: its own lines, or those of every animal."""
        return self.animals.get(subject, self.every_animal)


def read_about(path: Path) -> About:
    """The file, or nothing known where there is none. Raises ConfigError naming file and key."""
    try:
        return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, About, strict=False)
    except FileNotFoundError:
        return About()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None
