"""A match said as part of a sentence: "modality is CT or MR and the age at the study is below 18"."""

from __future__ import annotations

from collections.abc import Iterator

from retention.markup.text import Text
from retention.policy import sentences
from retention.policy.documents import AgeRange, DayRange, Match

_ATTRIBUTES = (
    "modality",
    "sop_class",
    "body_part",
    "department",
    "study_description",
    "manufacturer",
    "institution",
)


def match_words(match: Match) -> Text:
    """Return what has to hold for `match`, as the end of "studies where …"."""
    parts = list(_parts(match))
    if len(parts) == 1:
        return parts[0]
    return _joined(parts, sentences.AND) if parts else sentences.ANY


def _parts(match: Match) -> Iterator[Text]:
    for part in match.all or ():
        yield match_words(part)
    if match.one_of is not None:
        yield _joined([match_words(part) for part in match.one_of], sentences.OR)
    if match.not_ is not None:
        yield sentences.NOT.format(part=match_words(match.not_))
    for key in _ATTRIBUTES:
        words: list[str] | None = getattr(match, key)
        if words is not None:
            yield sentences.IS.format(name=sentences.NAMES[key], words=_alternatives(words))
    if match.fact is not None:
        yield sentences.HAS_FACT.format(words=_joined([name_of(kind) for kind in match.fact], sentences.OR))
    if match.study_date is not None:
        yield _days(match.study_date)
    if match.age_at_study is not None:
        yield _ages(sentences.AGE_AT_STUDY, match.age_at_study)
    if match.age_at_trigger is not None:
        yield _ages(sentences.AGE_AT_TRIGGER, match.age_at_trigger)


def name_of(word: str) -> Text:
    """Return how a fact, trigger or attribute is said; a kind a policy declares is said as it is written."""
    return sentences.NAMES.get(word) or Text(word, word)


def _alternatives(words: list[str]) -> Text:
    return _joined([Text(word, word) for word in words], sentences.OR)


def _joined(parts: list[Text], between: Text) -> Text:
    return Text(between.en.join(part.en for part in parts), between.fr.join(part.fr for part in parts))


def _ages(name: Text, ages: AgeRange) -> Text:
    return _range(name, ages.from_, ages.below, (sentences.FROM_TO, sentences.FROM, sentences.BELOW))


def _days(days: DayRange) -> Text:
    forms = (sentences.SINCE_BEFORE, sentences.SINCE, sentences.BEFORE)
    return _range(sentences.NAMES["study_date"], days.from_, days.before, forms)


def _range(name: Text, low: object, high: object, forms: tuple[Text, Text, Text]) -> Text:
    form = forms[1] if high is None else forms[2] if low is None else forms[0]
    return form.format(name=name, low=low, high=high)
