# Planted: one verdict of two is bad.
verify "this is so" true
verify "this is not so" false
