"""The lab: real test calls against the running system, and whether it kept its promises."""
