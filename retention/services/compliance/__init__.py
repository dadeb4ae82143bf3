"""The compliance report: what happened in a period and what is held at its end, from journal and catalog alone."""
