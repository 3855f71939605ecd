"""Dutch names and words to make data from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

FIRST_NAMES = [
    "Anouk",
    "Bart",
    "Carlijn",
    "Daan",
    "Esra",
    "Femke",
    "Gijs",
    "Hanneke",
    "Ilse",
    "Jasper",
    "Karim",
    "Lotte",
    "Maarten",
    "Noor",
    "Olaf",
    "Pien",
    "Quinten",
    "Roos",
    "Sjoerd",
    "Tess",
    "Umut",
    "Vera",
    "Wouter",
    "Xandra",
    "Yusuf",
    "Zoë",
]
LAST_NAMES = [
    "Bakker",
    "de Boer",
    "Bos",
    "van den Brink",
    "Dekker",
    "van Dijk",
    "El Idrissi",
    "Hendriks",
    "de Groot",
    "de Haan",
    "Jansen",
    "Kok",
    "Kuipers",
    "van Leeuwen",
    "Meijer",
    "Mulder",
    "Özdemir",
    "Peters",
    "Postma",
    "Schouten",
    "Smit",
    "van der Veen",
    "Visser",
    "de Vries",
    "Wolters",
]
TRADES = [
    "Accountancy",
    "Advies",
    "Architecten",
    "Bouw",
    "Catering",
    "Communicatie",
    "Design",
    "Electra",
    "Fietsen",
    "Grafisch",
    "Groen",
    "Horeca",
    "Installatie",
    "Interieur",
    "Juristen",
    "Logistiek",
    "Makelaardij",
    "Media",
    "Notariaat",
    "Onderhoud",
    "Reclame",
    "Software",
    "Techniek",
    "Transport",
    "Uitgeverij",
    "Verhuur",
    "Zorg",
]
LEGAL_FORMS = ("B.V.", "B.V.", "B.V.", "V.O.F.", "Holding B.V.", "Coöperatie U.A.", "Stichting")
CITIES = (
    ("Amersfoort", "38"),
    ("Apeldoorn", "73"),
    ("Breda", "48"),
    ("Deventer", "74"),
    ("Eindhoven", "56"),
    ("Groningen", "97"),
    ("Haarlem", "20"),
    ("Leeuwarden", "89"),
    ("Maastricht", "62"),
    ("Nijmegen", "65"),
    ("Utrecht", "35"),
    ("Zwolle", "80"),
)
STREETS = [
    "Beukenlaan",
    "Dorpsstraat",
    "Europalaan",
    "Havenweg",
    "Industrieweg",
    "Kerkstraat",
    "Markt",
    "Molenweg",
    "Nieuwstraat",
    "Stationsplein",
    "Torenstraat",
    "Wilhelminalaan",
]
ROLES = ("Senior", "Medior", "Junior", "Hoofd", "Assistent")
HOUR_WORK = ("adviesuren", "ontwikkeluren", "analyse", "projectleiding", "redactie", "training", "controle", "ontwerp")
EXPENSES = ("Reiskosten", "Drukwerk", "Hosting", "Licentie", "Verblijfkosten", "Materiaal", "Koerier", "Parkeerkosten")
TASKS = (
    "Overleg over de planning",
    "Inrichting van het grootboek",
    "Werksessie met de gebruikers",
    "Uitwerking van het ontwerp",
    "Controle van de jaarcijfers",
    "Voorbereiding van de oplevering",
    "Nazorg na ingebruikname",
    "Advies over de btw-aangifte",
)


def person(rng: Random) -> str:
    """Make a person's name.

    Args:
        rng: The source of chance.

    Returns:
        First and last name.
    """
    return f"{rng.choice(FIRST_NAMES)} {rng.choice(LAST_NAMES)}"


def company(rng: Random) -> str:
    """Make a company's name.

    Args:
        rng: The source of chance.

    Returns:
        A name, a trade and a legal form.
    """
    last = rng.choice(LAST_NAMES)
    return f"{last[0].upper()}{last[1:]} {rng.choice(TRADES)} {rng.choice(LEGAL_FORMS)}"
