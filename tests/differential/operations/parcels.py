"""What becomes of rows when what they refer to is deleted; and one-to-one, from both sides."""

from random import Random
from typing import Any

from tests.differential.families import Family

from . import chance
from .registry import PLAIN, operation


def name_of_a_person(random: Random) -> str:
    """Give a name."""
    return random.choice(("ann", "bob", "eve"))


@operation()
def person_delete(family: Family, random: Random) -> Any:
    """Delete a person: parcels lose their owner, the profile goes, and it is refused for a guard."""
    return family.some("Person", random).delete()


@operation()
def people_delete(family: Family, random: Random) -> Any:
    """Delete people by a queryset, those that guard too."""
    return family.Person.objects.filter(name=name_of_a_person(random)).delete()


@operation()
def person_create(family: Family, random: Random) -> Any:
    """Create a person, and give them parcels."""
    person = family.Person.objects.create(name=name_of_a_person(random))
    parcel = family.some("Parcel", random)
    parcel.owner = person
    parcel.save(update_fields=random.choice((None, ["owner"], ["owner_id"])))
    return person, parcel


@operation()
def person_rename(family: Family, random: Random) -> Any:
    """Change what the path of parcels leads to."""
    person = family.some("Person", random)
    person.name = name_of_a_person(random)
    person.save()
    return person


@operation(PLAIN)
def parcels_set(family: Family, random: Random) -> Any:
    """Give a person these parcels alone, or none, in one statement each."""
    person = family.some("Person", random)
    if random.random() < 0.4:
        return person.parcels.clear()
    return person.parcels.set(family.several("Parcel", random))


@operation()
def depot_delete(family: Family, random: Random) -> Any:
    """Delete a depot: its parcels go to the main one, which cannot be deleted while it has some."""
    return random.choice((family.some("Depot", random), family.Depot(pk="west"))).delete()


@operation()
def depots_delete(family: Family, random: Random) -> Any:
    """Delete all depots but one."""
    return family.Depot.objects.exclude(pk=random.choice(("main", "main", "east"))).delete()


@operation()
def depot_create(family: Family, random: Random) -> Any:
    """Create a depot, and move a parcel there."""
    depot, _ = family.Depot.objects.get_or_create(pk=random.choice(("main", "east", "west")))
    parcel = family.some("Parcel", random)
    parcel.depot = depot
    parcel.save()
    return parcel


@operation()
def depot_rename(family: Family, random: Random) -> Any:
    """Save a depot under another key: there is one more."""
    depot = family.some("Depot", random)
    depot.name = random.choice(("east", "west", "north"))
    depot.save()
    return depot


@operation(PLAIN)
def depot_update_key(family: Family, random: Random) -> Any:
    """Change the key of depots: it fails where parcels refer to it, or where it is taken."""
    return family.Depot.objects.filter(pk=random.choice(("north", "east"))).update(name="far")


@operation()
def desk_delete(family: Family, random: Random) -> Any:
    """Delete a desk: its parcels go to the last one, which may be that one."""
    return family.some("Desk", random).delete()


@operation()
def desk_create(family: Family, random: Random) -> Any:
    """Create a desk, and rename one."""
    made = family.Desk.objects.create(name=random.choice(("one", "two")))
    desk = family.some("Desk", random)
    desk.name = random.choice(("one", "two"))
    desk.save()
    return made, desk


@operation()
def desks_delete(family: Family, random: Random) -> Any:
    """Delete the desks of a name."""
    return family.Desk.objects.filter(name=random.choice(("one", "two"))).delete()


@operation(PLAIN)
def parcels_update(family: Family, random: Random) -> Any:
    """Move parcels in one statement."""
    values = ({"desk": family.some("Desk", random)}, {"depot_id": "main"}, {"owner": None}, {"guard": None})
    return family.Parcel.objects.filter(weight__lt=9).update(**random.choice(values))


@operation(PLAIN)
def parcels_bulk_create(family: Family, random: Random) -> Any:
    """Create parcels at once."""
    owner = family.some("Person", random)
    parcels = [family.Parcel(owner=each, depot_id="main", desk=family.some("Desk", random)) for each in (owner, None)]
    return family.Parcel.objects.bulk_create(parcels)


@operation()
def parcel_delete(family: Family, random: Random) -> Any:
    """Delete a parcel."""
    return family.some("Parcel", random).delete()


@operation()
def profile_create(family: Family, random: Random) -> Any:
    """Create a profile for a person, who may have one."""
    return family.Profile.objects.create(person=family.some("Person", random), country=random.choice(("fr", "de")))


@operation()
def profile_change(family: Family, random: Random) -> Any:
    """Change a profile's country, or whose it is."""
    profile = family.some("Profile", random)
    profile.country = random.choice(("fr", "de"))
    if random.random() < 0.4:
        profile.person = family.some("Person", random)
    profile.save()
    return profile


@operation()
def profile_through_the_person(family: Family, random: Random) -> Any:
    """Change a profile that was found from the other side; it fails where there is none."""
    profile = family.some("Person", random).profile
    profile.country = random.choice(("fr", "de"))
    profile.save(update_fields=["country"])
    return profile


@operation()
def profile_delete(family: Family, random: Random) -> Any:
    """Delete a profile."""
    return family.some("Profile", random).delete()


@operation(PLAIN)
def profile_update(family: Family, random: Random) -> Any:
    """Change profiles in one statement, and create one."""
    changed = family.Profile.objects.update(country=random.choice(("fr", "de")))
    new = family.Profile(person=family.some("Person", random), country=random.choice(("fr", "de")))
    return changed, len(family.Profile.objects.bulk_create([new], ignore_conflicts=True))


@operation()
def parcel_save(family: Family, random: Random) -> Any:
    """Change a parcel."""
    parcel = family.some("Parcel", random)
    parcel.desk, parcel.weight = family.some("Desk", random), chance.number(random)
    parcel.owner = random.choice((None, family.some("Person", random)))
    parcel.save()
    return parcel
