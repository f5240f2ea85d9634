# Planted: the case ends in the middle.
verify "this is so" true
exit 3
