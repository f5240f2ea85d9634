"""Users of the machine who race a run in every directory that is theirs."""
