"""Which DICOM files and series are of one patient."""

import logging
from collections import defaultdict
from collections.abc import Hashable, Sequence

from monai_minority.data.persons import names_nobody, spelling, without_zeros
from monai_minority.data.volumes.dicom.header import Person

logger = logging.getLogger(__name__)


def told_apart(people: Sequence[Person]) -> list[Hashable]:
    """A key for each entry, equal for entries of one patient; ``None`` where nothing tells the patient.

    The ID tells patients apart, in whatever spelling and with or without its issuer; without an ID that names
    somebody, the name does. An entry without either is of the only patient of the others, if there is only one.
    """
    issuers = defaultdict(set)
    for person in people:
        issuers[spelling(person.patient_id)].add(spelling(person.issuer))
    ids_of_name = defaultdict(set)
    for person in people:
        if not names_nobody(person.patient_id) and not names_nobody(person.name):
            ids_of_name[spelling(person.name, is_name=True)].add(_id_key(person, issuers))
    keys: list[Hashable] = []
    for person in people:
        name = spelling(person.name, is_name=True)
        if not names_nobody(person.patient_id):
            keys.append(_id_key(person, issuers))
        elif names_nobody(person.name):
            keys.append(None)
        else:
            known = ids_of_name[name]
            keys.append(next(iter(known)) if len(known) == 1 else ("name", name))
    return keys


def _id_key(person: Person, issuers: dict[str, set[str]]) -> Hashable:
    known = issuers[spelling(person.patient_id)] - {""}
    issuer = spelling(person.issuer) or (next(iter(known)) if len(known) == 1 else "")
    return "id", spelling(person.patient_id), issuer


def name_subjects(people: Sequence[Person], studies: Sequence[str]) -> list[str]:
    """The subject of each series: the patient ID with its issuer, else the name, else the study.

    Spellings of one ID or name become one subject. Where one ID covers patients who cannot be the same (their names
    differ, and their birth dates or sexes too, or no two of three or more studies have the same name), the name tells
    them apart. IDs that differ only in leading zeros are joined if their names allow it. What was joined or told apart
    is logged, without names.
    """
    keys = told_apart(people)
    _separate_shared_ids(keys, people, studies)
    _join_lost_zeros(keys, people)
    spellings: dict[Hashable, set[str]] = defaultdict(set)
    for key, person, study in zip(keys, people, studies, strict=True):
        spellings[key or ("study", study)].add(_subject_text(key, person, study))
    several = sum(len(texts) > 1 for texts in spellings.values())
    if several:
        logger.warning("%d subjects are written in several ways and are each taken for one person", several)
    unknown = {study for key, study in zip(keys, studies, strict=True) if key is None}
    if len(unknown) > 1:
        logger.warning(
            "%d studies have no patient ID or name that names somebody (it is empty, or a word such as Anonymous), so "
            "each counts as a subject of its own; if a person has several studies, tell them apart with "
            "subject_pattern, or the splits leak",
            len(unknown),
        )
    return [min(spellings[key or ("study", study)]) for key, study in zip(keys, studies, strict=True)]


def _subject_text(key: Hashable, person: Person, study: str) -> str:
    if key is None:
        return study
    if isinstance(key, tuple) and key[0] == "shared":
        return f"{person.patient_id} {person.name}"
    if names_nobody(person.patient_id):
        return person.name
    return f"{person.patient_id} ({person.issuer})" if person.issuer else person.patient_id


def _separate_shared_ids(keys: list[Hashable], people: Sequence[Person], studies: Sequence[str]) -> None:
    places = defaultdict(list)
    for place, key in enumerate(keys):
        if isinstance(key, tuple) and key[0] == "id":
            places[key].append(place)
    shared = 0
    for key, own in places.items():
        names = {spelling(people[place].name, is_name=True) for place in own if not names_nobody(people[place].name)}
        if len(names) < 2:
            continue
        facts = {_facts(people[place]) for place in own}
        contradict = any(len({fact[part] for fact in facts} - {""}) > 1 for part in (0, 1))
        count = len({studies[place] for place in own})
        if contradict or (count >= 3 and len(names) == count):
            shared += 1
            for place in own:
                name = spelling(people[place].name, is_name=True)
                keys[place] = ("shared", key, name) if not names_nobody(name) else None
        else:
            logger.warning(
                "one patient ID has %d names in %d studies and is taken for one person; if they are several, tell them "
                "apart with subject_pattern",
                len(names),
                count,
            )
    if shared:
        logger.warning(
            "%d patient ID(s) are shared by patients with different names, who are told apart by name", shared
        )


def _facts(person: Person) -> tuple[str, str]:
    sex = spelling(person.sex)
    return person.birth_date if person.birth_date.strip("0") else "", sex if sex in ("m", "f") else ""


def _join_lost_zeros(keys: list[Hashable], people: Sequence[Person]) -> None:
    names: dict[Hashable, set[str]] = defaultdict(set)
    for key, person in zip(keys, people, strict=True):
        name = spelling(person.name, is_name=True)
        names[key] |= set() if names_nobody(name) else {name}
    classes: dict[Hashable, list[tuple]] = defaultdict(list)
    for key in names:
        if isinstance(key, tuple) and key[0] == "id":
            classes[(without_zeros(key[1]), key[2])].append(key)
    joined = 0
    for same in classes.values():
        known = set().union(*(names[key] for key in same))
        if len(same) == 2 and len(known) < 2:
            joined += 1
            longer = max(same, key=lambda key: len(key[1]))
            keys[:] = [longer if key in same else key for key in keys]
    if joined:
        logger.warning("%d pairs of patient IDs differ only in leading zeros and are each taken for one person", joined)
