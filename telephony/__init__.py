"""Asterisk made safe: AGI line, AMI link, CEL reader, configuration, recording ledger, live picture."""
