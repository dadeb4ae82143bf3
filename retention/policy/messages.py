"""What can be wrong in a policy file, in both languages.

One table, keyed by the kind of fault: those of pydantic under pydantic's own names, ours beside them. A test proves
that every kind that can arise has its sentence.
"""

from __future__ import annotations

from retention.markup.text import Text

MESSAGES: dict[str, Text] = {
    # shape
    "missing": Text("`{key}` is missing", "il manque `{key}`"),
    "extra_forbidden": Text("unknown key `{key}`", "clé inconnue `{key}`"),
    "extra_with_list": Text(
        "unknown key `{key}`; known here: {known}", "clé inconnue `{key}` ; connues ici : {known}"
    ),
    "empty": Text("`{key}` has no value", "`{key}` n'a pas de valeur"),
    "string_type": Text("expected text, found {found}", "texte attendu, {found} trouvé"),
    "int_type": Text("expected a whole number, found {found}", "nombre entier attendu, {found} trouvé"),
    "float_type": Text("expected a number, found {found}", "nombre attendu, {found} trouvé"),
    "bool_type": Text(
        "expected `true` or `false`, found {found}", "`true` ou `false` attendu, {found} trouvé"
    ),
    "list_type": Text("expected a list `[a, b]`, found {found}", "liste `[a, b]` attendue, {found} trouvé"),
    "dict_type": Text(
        "expected a mapping of keys and values, found {found}",
        "clés et valeurs attendues, {found} trouvé",
    ),
    "too_short": Text("at least {min_length} expected here", "au moins {min_length} attendu ici"),
    "too_long": Text("at most {max_length} are allowed here", "au plus {max_length} admis ici"),
    "string_too_short": Text("the text is empty", "le texte est vide"),
    "string_too_long": Text(
        "the text is longer than {max_length} characters", "le texte dépasse {max_length} caractères"
    ),
    "greater_than": Text("must be greater than {gt}", "doit être supérieur à {gt}"),
    "greater_than_equal": Text("must be {ge} or more", "doit être au moins {ge}"),
    "less_than_equal": Text("must be {le} or less", "doit être au plus {le}"),
    "no_document": Text(
        "a policy file holds documents of kind RetentionPolicy or StoragePlan",
        "un fichier de politiques contient des documents RetentionPolicy ou StoragePlan",
    ),
    # words
    "unknown_word": Text("`{word}` is none of {known}", "`{word}` n'est aucun de {known}"),
    "unknown_fact": Text(
        "`{word}` is no kind of fact here: it has to be {known}, or declared under `facts: […]`",
        "`{word}` n'est pas un genre de fait ici : {known}, ou un genre déclaré sous `facts: […]`",
    ),
    "not_a_name": Text(
        "`{word}` is not a name: 1 to 63 of a-z, 0-9 and inner hyphens",
        "`{word}` n'est pas un nom : 1 à 63 parmi a-z, 0-9 et traits d'union intérieurs",
    ),
    "not_a_kind": Text(
        "`{word}` cannot name a fact: 1 to 63 of a-z, 0-9 and `_`, a letter first",
        "`{word}` ne peut pas nommer un fait : 1 à 63 parmi a-z, 0-9 et `_`, une lettre d'abord",
    ),
    "not_a_uid": Text("`{word}` is not a DICOM UID", "`{word}` n'est pas un UID DICOM"),
    "known_already": Text("`{word}` is known already", "`{word}` est déjà connu"),
    "yaml_1_1": Text(
        "`{word}` is read as true or false by some and as text by others: write `{boolean}`, "
        'or "{word}" for the text',
        "`{word}` est lu comme vrai ou faux par les uns, comme texte par les autres : écrivez `{boolean}`, "
        'ou "{word}" pour le texte',
    ),
    "only_true": Text("`any` is only ever `true`", "`any` vaut toujours `true`"),
    "no_condition": Text(
        "a match needs a condition; `any: true` matches every study",
        "un `match` demande une condition ; `any: true` convient à toute étude",
    ),
    "not_an_approver": Text(
        "an approver is a name, or `{{external: name}}` for somebody outside",
        "un approbateur est un nom, ou `{{external: nom}}` pour quelqu'un d'extérieur",
    ),
    # periods, days, numbers
    "bare_number": Text(
        "a bare number is no duration: {number} of what?",
        "un nombre seul n'est pas une durée : {number} quoi ?",
    ),
    "not_a_period": Text(
        "`{word}` is not a period of days, weeks, months or years such as P20Y, P1Y6M or P90D",
        "`{word}` n'est pas une période en jours, semaines, mois ou années telle que P20Y, P1Y6M ou P90D",
    ),
    "negative_period": Text("`{word}` is negative", "`{word}` est négative"),
    "no_time": Text("`{word}` is no time at all", "`{word}` est une durée nulle"),
    "too_long_period": Text("`{word}` is longer than {years} years", "`{word}` dépasse {years} ans"),
    "not_a_day": Text(
        "`{word}` is not a day written as 2026-11-24", "`{word}` n'est pas un jour écrit comme 2026-11-24"
    ),
    "no_such_day": Text("there is no day {word}", "le jour {word} n'existe pas"),
    "not_a_share": Text(
        "`{word}` is not a share between 0% and 100% such as 2%",
        "`{word}` n'est pas une part entre 0% et 100% telle que 2%",
    ),
    # what must agree
    "twice": Text("`{word}` stands here twice", "`{word}` figure deux fois"),
    "version_taken": Text(
        "version {version} of {name} says something else already: what was in force never changes, give the new"
        " text a new version",
        "la version {version} de {name} dit déjà autre chose : ce qui a été en vigueur ne change plus, donnez une"
        " nouvelle version au nouveau texte",
    ),
    "one_version_at_once": Text(
        "{name} stands in more than one place: only one version can be in force",
        "{name} figure à plus d'un endroit : une seule version peut être en vigueur",
    ),
    "same_policy_twice": Text(
        "{kind} `{name}` is also in line {line}", "{kind} `{name}` figure aussi à la ligne {line}"
    ),
    "empty_range": Text("nothing lies {low} and below {high}", "rien ne se trouve entre {low} et {high}"),
    "range_without_end": Text(
        "`{first}`, `{second}` or both are needed", "il faut `{first}`, `{second}` ou les deux"
    ),
    "not_shorter": Text(
        "`unless_followed_by` is for a shorter `keep`: {shorter} is not shorter than {keep}",
        "`unless_followed_by` sert à un `keep` plus court : {shorter} n'est pas plus court que {keep}",
    ),
    "maximum_below_keep": Text(
        "the maximum {maximum} would be reached before {keep} is over",
        "le maximum {maximum} serait atteint avant la fin de {keep}",
    ),
    "destroy_unapproved": Text(
        "`final_action: destroy` needs `disposal: {{approvals: […]}}`: somebody has to sign",
        "`final_action: destroy` demande `disposal: {{approvals: […]}}` : quelqu'un doit signer",
    ),
    "period_reversed": Text("{to} is before {start}", "{to} est avant {start}"),
    "on_or_from": Text("`on` or `from` and `to`, not both", "`on`, ou bien `from` et `to`, pas les deux"),
    "from_on_first": Text(
        "`from` stands on the first row only: each tier starts where the former ended",
        "`from` ne figure que sur la première ligne : chaque niveau commence où finit le précédent",
    ),
    "last_has_no_end": Text(
        "the last tier has no end: `{key}` cannot stand here",
        "le dernier niveau n'a pas de fin : `{key}` ne peut pas figurer ici",
    ),
    "needs_for": Text("a tier with another after it needs `for`", "un niveau suivi d'un autre demande `for`"),
    "trigger_unknown_here": Text(
        "a storage plan has no trigger: `age_at_trigger` cannot stand here",
        "un plan de stockage n'a pas d'élément déclencheur : `age_at_trigger` ne peut pas figurer ici",
    ),
    "sample_and_every": Text("`sample` and `every` need each other", "`sample` et `every` vont ensemble"),
    "unknown_tier": Text(
        "this archive has no tier `{word}`; it has {known}",
        "cette archive n'a pas de niveau `{word}` ; elle a {known}",
    ),
    "other": Text("this is not valid ({detail})", "ceci n'est pas valable ({detail})"),
}

FOUND: dict[type, Text] = {
    bool: Text("true or false", "vrai ou faux"),
    int: Text("a number", "un nombre"),
    float: Text("a fraction", "un nombre décimal"),
    str: Text("text", "du texte"),
    list: Text("a list", "une liste"),
    dict: Text("a mapping", "des clés et valeurs"),
    type(None): Text("nothing", "rien"),
}
