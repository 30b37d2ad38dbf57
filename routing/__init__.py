"""Pure choices: who takes the call, which unit, opening hours, working time, policy. No I/O, no clock."""
