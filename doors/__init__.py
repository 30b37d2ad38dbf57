"""What arrives without ringing, and the public's own page: a call from the browser, through our relay."""
