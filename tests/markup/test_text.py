"""Sentences in two languages."""

from retention.markup.text import Text, join, say


def test_a_text_is_english_unless_asked():
    text = Text("one", "un")
    assert (str(text), say(text, "en"), say(text, "fr")) == ("one", "one", "un")
    assert say("as it is", "fr") == "as it is"
    assert say(5, "fr") == "5"


def test_what_is_filled_in_follows_the_language_around_it():
    text = Text("{what} is missing", "il manque {what}").format(what=Text("birth", "la naissance"))
    assert (text.en, text.fr) == ("birth is missing", "il manque la naissance")


def test_texts_join():
    assert join([Text("a", "b"), Text("c", "d")]) == Text("a c", "b d")
    assert join([Text("a", "b"), Text("c", "d")], "; ").en == "a; c"
