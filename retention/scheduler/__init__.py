"""The scheduler: runs what is due, alone among all processes of the archive, and catches up on what was missed.

APScheduler is the clock and nothing else: it reads cron expressions, and rings when the next job is due. What is due,
what was missed and what is running stands in the catalog.
"""
