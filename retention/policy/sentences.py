"""The sentences decisions are explained in, English and French side by side so that neither is forgotten."""

from __future__ import annotations

from retention.markup.text import Text
from retention.policy.decision import Reason
from retention.policy.words import Assurance, FinalAction

STATE: dict[Reason, Text] = {
    Reason.HOLD: Text(
        "HELD: a legal hold keeps it, whatever the rules say.",
        "HELD : un gel juridique le conserve, quoi que disent les règles.",
    ),
    Reason.VISIT_AFTER_DEATH: Text(
        "CONFLICT: a visit or study is dated after the patient's death; it is kept until somebody corrects the facts.",
        "CONFLICT : une visite ou une étude est datée après le décès du patient ; "
        "elle est conservée jusqu'à correction des faits.",
    ),
    Reason.SUSPENDED: Text(
        "SUSPENDED: the clock stands still while {facts} is open.",
        "SUSPENDED : le délai est suspendu tant que dure {facts}.",
    ),
    Reason.KEEP_FOREVER: Text(
        "PERMANENT: kept for ever by {winner}.", "PERMANENT : conservée sans limite par {winner}."
    ),
    Reason.NO_POLICY: Text(
        "PERMANENT: no policy is in force for it, so it is kept for ever.",
        "PERMANENT : aucune politique n'est en vigueur pour elle, elle est donc conservée sans limite.",
    ),
    Reason.NO_RULE: Text(
        "PERMANENT: no rule matches it, so it is kept for ever.",
        "PERMANENT : aucune règle ne lui correspond, elle est donc conservée sans limite.",
    ),
    Reason.MISSING: Text(
        "UNDETERMINED: kept, because this is not known: {missing}.",
        "UNDETERMINED : conservée, car on ne connaît pas ceci : {missing}.",
    ),
    Reason.RULES: Text(
        "DETERMINED: kept until {until} inclusive, by {winner}.",
        "DETERMINED : conservée jusqu'au {until} inclus, par {winner}.",
    ),
    Reason.LATEST_POSSIBLE: Text(
        "DETERMINED: kept until {until} inclusive. Not everything is known, but no possible outcome is later.",
        "DETERMINED : conservée jusqu'au {until} inclus. Tout n'est pas connu, "
        "mais aucune issue possible n'est plus tardive.",
    ),
}
BOUND = Text(
    "Whatever it turns out to be, no rule asks for more than {until}.",
    "Quoi qu'il en soit, aucune règle ne demande plus que le {until}.",
)
NO_BOUND = Text(
    "Nothing bounds how long the rules may ask for.", "Rien ne borne ce que les règles peuvent demander."
)
HOLD = Text("Hold {id}, owner {owner}: {reason}.", "Gel {id}, demandé par {owner} : {reason}.")
HOLD_REASSESS = Text(
    "Hold {id}, owner {owner}: {reason}. To be reassessed on {day}.",
    "Gel {id}, demandé par {owner} : {reason}. À réexaminer le {day}.",
)
RULE = Text("{rule} (version {version}): ", "{rule} (version {version}) : ")
NO_MATCH = Text(
    "does not apply; it is for studies where {match}.", "ne s'applique pas ; elle vise les études où {match}."
)
MAY_MATCH = Text(
    "may apply (not known: {missing}); if so, ",
    "s'applique peut-être (inconnu : {missing}) ; alors, ",
)
UNKNOWN_TRIGGER = Text(
    "{trigger} is not known, so no end can be computed.",
    "on ne connaît pas {trigger}, aucune fin n'est calculable.",
)
COUNTED = Text("{trigger} {day}{source} + {keep} = {end}", "{trigger} {day}{source} + {keep} = {end}")
COUNTED_AT_MOST = Text(
    "{trigger} {day} at the latest + {keep} = {end}", "{trigger} au plus tard le {day} + {keep} = {end}"
)
COUNTED_FOREVER = Text("kept for ever", "conservée sans limite")
SHORTER = Text(
    ", the shorter period because a later study follows on {day}",
    ", la durée courte car une étude suit le {day}",
)
MAYBE_SHORTER = Text(
    ", unless a later study whose attributes are not known follows",
    ", sauf si une étude ultérieure aux attributs inconnus suit",
)
FLOOR = Text("; raised to the day of age {age}, {day}", " ; porté au jour des {age} ans, le {day}")
FLOOR_AT_MOST = Text(
    "; raised to the day of age {age}, {day} at the latest, since the birth date is not known",
    " ; porté au jour des {age} ans, au plus tard le {day}, la date de naissance étant inconnue",
)
FLOOR_IDLE = Text(
    "; the day of age {age}, {day}, is not later", " ; le jour des {age} ans, le {day}, n'est pas plus tard"
)
DEATH_REPLACES = Text(
    "; replaced by death {day} + {keep} = {end}", " ; remplacé par le décès du {day} + {keep} = {end}"
)
DEATH_LATER = Text("; raised to death {day} + {keep} = {end}", " ; porté au décès du {day} + {keep} = {end}")
DEATH_NOT_LATER = Text(
    "; death {day} + {keep} = {end} is not later, and may not shorten",
    " ; le décès du {day} + {keep} = {end} n'est pas plus tard, et ne peut raccourcir",
)
DEATH_IDLE = Text(
    "; the death of {day} came too late to count", " ; le décès du {day} est trop tardif pour compter"
)
DEATH_OPEN = Text("; what the death changes is not known", " ; l'effet du décès n'est pas connu")
SUSPENDED_DAYS = Text("; {days} suspended days added", " ; {days} jours de suspension ajoutés")
ENDS = Text("; ends {day}.", " ; fin le {day}.")
STOP = Text(".", ".")
FROM_FACT = Text(" ({source}, {assurance})", " ({source}, {assurance})")
FROM_UNNAMED = Text(" ({assurance})", " ({assurance})")
FROM_ELSEWHERE = Text(" (another institution of the entity)", " (un autre établissement de la même entité)")
FROM_STUDY = Text(" (study date)", " (date d'étude)")
MAXIMUM = Text(
    "{rule}: the maximum was reached on {day}. Nothing is deleted by that; keeping on needs a reason.",
    "{rule} : le maximum a été atteint le {day}. Rien n'est supprimé pour autant ; continuer demande une raison.",
)
FINAL: dict[FinalAction, Text] = {
    FinalAction.KEEP: Text(
        "Then it stays: the final action is keep.", "Ensuite elle reste : l'action finale est keep."
    ),
    FinalAction.REVIEW: Text("Then somebody reviews it.", "Ensuite quelqu'un l'examine."),
    FinalAction.DESTROY: Text(
        "From {day} on it may be proposed for destruction.",
        "À partir du {day} sa destruction peut être proposée.",
    ),
}
NEXT_CHANGE = Text(
    "By time alone this may change on {day}.", "Par le seul passage du temps cela peut changer le {day}."
)
MOVES = Text(
    "It lies on {tier} and moves to {next} on {day}.", "Elle est sur {tier} et passe sur {next} le {day}."
)
STAYS = Text("It stays on {tier}.", "Elle reste sur {tier}.")
NAMES: dict[str, Text] = {
    "last_visit": Text("last visit", "la dernière visite"),
    "study_date": Text("study date", "la date d'étude"),
    "ingest_date": Text("day of ingest", "le jour de versement"),
    "birth": Text("birth date", "la date de naissance"),
    "death": Text("day of death", "le jour du décès"),
    "diagnosis": Text("day of diagnosis", "le jour du diagnostic"),
    "discharge": Text("discharge", "la sortie"),
    "last_treatment": Text("last treatment", "le dernier traitement"),
    "last_change": Text("last change", "la dernière modification"),
    "transfusion": Text("transfusion", "la transfusion"),
    "transplant": Text("transplant", "la greffe"),
    "liability_appeal": Text("a liability appeal", "un recours en responsabilité"),
    "opposition": Text("an opposition", "une opposition"),
    "identity": Text("an identity question", "une question d'identité"),
    "modality": Text("modality", "la modalité"),
    "sop_class": Text("SOP class", "la classe SOP"),
    "body_part": Text("body part", "la région anatomique"),
    "department": Text("department", "le service"),
    "study_description": Text("description", "la description"),
    "manufacturer": Text("manufacturer", "le fabricant"),
    "institution": Text("institution", "l'établissement"),
    "later_studies": Text("what later studies are", "ce que sont les études ultérieures"),
}
ASSURANCE: dict[Assurance, Text] = {
    Assurance.VERIFIED: Text("verified", "vérifié"),
    Assurance.DECLARED: Text("declared", "déclaré"),
}
# What a match says, for rules that do not apply.
ANY = Text("anything holds", "tout convient")
AND = Text(" and ", " et ")
OR = Text(" or ", " ou ")
NOT = Text("not ({part})", "non ({part})")
IS = Text("{name} is {words}", "{name} est {words}")
HAS_FACT = Text("a fact stands: {words}", "un fait existe : {words}")
AGE_AT_STUDY = Text("the age at the study is", "l'âge à l'étude est")
AGE_AT_TRIGGER = Text("the age then is", "l'âge alors est")
FROM_TO = Text("{name} from {low} to below {high}", "{name} de {low} à moins de {high}")
FROM = Text("{name} {low} or more", "{name} {low} ou plus")
BELOW = Text("{name} below {high}", "{name} moins de {high}")
SINCE_BEFORE = Text("{name} is from {low} and before {high}", "{name} est du {low} et avant le {high}")
SINCE = Text("{name} is {low} or later", "{name} est le {low} ou plus tard")
BEFORE = Text("{name} is before {high}", "{name} est avant le {high}")

NEXT_ACTION = {
    "move": Text("moves to {tier} on {day}", "va vers {tier} le {day}"),
    "review": Text("to be reviewed from {day} on", "à examiner à partir du {day}"),
    "destroy": Text("may be destroyed from {day} on", "destruction possible à partir du {day}"),
}
