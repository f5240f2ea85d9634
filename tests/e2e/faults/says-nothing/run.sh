# Planted: nothing is judged.
