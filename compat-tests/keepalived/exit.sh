# Exits with the number that is in a file.
read -r status <"$1"
exit "$status"
