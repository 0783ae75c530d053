# Adds a line to a file: what happened.
file=$1
shift
echo "$*" >>"$file"
