"""Calendar periods: `P20Y`, `P1Y6M`, `P2W`, `P90D`, and what day one ends on.

The invariant (policy.md, Dates 2): adding a period never lands earlier than the calendar says; a day that does not
exist becomes the first of the next month, and a sum beyond the calendar is its last day. So longer periods and later
days never end earlier, which the evaluation relies on when it reasons about facts it does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, timedelta

from retention.markup.text import Text

LONGEST_YEARS = 200
FOREVER = date.max  # the end of what has no end
UNKNOWN_PAST = date.min

_DAYS_A_MONTH = 30.436875
_PERIOD = re.compile(r"P(?:(\d{1,6})Y)?(?:(\d{1,6})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?\Z", re.ASCII)
_UNITS = {
    "en": (("year", "years"), ("month", "months"), ("week", "weeks"), ("day", "days")),
    "fr": (("an", "ans"), ("mois", "mois"), ("semaine", "semaines"), ("jour", "jours")),
}


@dataclass(frozen=True, slots=True)
class Period:
    """Calendar months, then days. `text` is how it was written; equal periods may be written differently."""

    months: int
    days: int = 0
    text: str = field(default="", compare=False)

    @classmethod
    def years(cls, count: int) -> Period:
        return cls(months=12 * count, text=f"P{count}Y")

    def after(self, day: date) -> date:
        """Return the day this period after `day` ends on."""
        if day == FOREVER:
            return FOREVER
        month_count = day.year * 12 + day.month - 1 + self.months
        year, month = month_count // 12, month_count % 12 + 1
        if year > date.max.year:
            return FOREVER
        try:
            landed = date(year, month, day.day)
        except ValueError:
            landed = date(year, month + 1, 1)  # December has every day, so there is a next month
        if self.days:
            return plus_days(landed, self.days)
        return landed

    def __str__(self) -> str:
        return self.text or f"P{self.months}M{self.days}D"

    @property
    def approximate_days(self) -> float:
        """How long it is on average, to compare periods written in different units."""
        return self.months * _DAYS_A_MONTH + self.days

    def words(self) -> Text:
        """Return `20 years`, `1 an et 6 mois`."""
        years, months = divmod(self.months, 12)
        weeks, days = divmod(self.days, 7) if "W" in self.text else (0, self.days)
        counts = (years, months, weeks, days)
        spoken = {
            language: " ".join(
                f"{count} {one if count == 1 else many}"
                for count, (one, many) in zip(counts, units, strict=True)
                if count
            )
            for language, units in _UNITS.items()
        }
        return Text(spoken["en"], spoken["fr"])


def plus_days(day: date, count: int) -> date:
    """Return the day `count` days after `day` (before, if negative), or the calendar's last (first) day."""
    try:
        return day + timedelta(days=count)
    except OverflowError:
        return FOREVER if count > 0 else UNKNOWN_PAST


def parse_period(text: str) -> Period | None:
    """Return the period `text` writes in ISO 8601 (years, months, weeks, days), or None if it writes none."""
    found = _PERIOD.match(text)
    if found is None or text == "P":
        return None
    years, months, weeks, days = (int(part or 0) for part in found.groups())
    return Period(months=12 * years + months, days=7 * weeks + days, text=text)


def is_too_long(period: Period) -> bool:
    return period.approximate_days > Period.years(LONGEST_YEARS).approximate_days


def age_reached_by(day: date, years: int) -> date:
    """Return the last birth date from which the age of `years` is reached on `day` or before.

    The inverse of `Period.years(years).after(birth) <= day`, which only grows with the birth date.
    """
    if day == FOREVER or day.year - years < date.min.year:
        return FOREVER if day == FOREVER else UNKNOWN_PAST
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February, and the other year has none: born on 1 March is a day too young
        return date(day.year - years, 2, 28)
