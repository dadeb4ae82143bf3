"""What runs by itself: which jobs there are, how one is run, and what is known of their runs."""
