#!/bin/sh
# Turns a file into a C array that HEADER declares: embed.sh OUTPUT NAME FILE HEADER
# --help prints this. Run by the build.
set -eu
if [ "${1:-}" = "--help" ]; then
    sed -n '2,3s/^# //p' "$0"
    exit 0
fi
out=$1 name=$2 file=$3 header=$4
{
    echo "#include \"$header\""
    echo "const char ${name}[] = {"
    od -An -v -tx1 "$file" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
    echo '};'
    echo "const size_t ${name}_size = sizeof($name);"
} >"$out.tmp"
mv "$out.tmp" "$out"
