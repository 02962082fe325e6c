#!/bin/sh
# Turns a file into a C array: embed.sh OUTPUT NAME FILE
# --help prints this. Run by the build.
set -eu
if [ "${1:-}" = "--help" ]; then
    sed -n '2,3s/^# //p' "$0"
    exit 0
fi
out=$1 name=$2 file=$3
{
    echo '#include "server/api/openapi.h"'
    echo "const char ${name}[] = {"
    od -An -v -tx1 "$file" | sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g'
    echo '};'
    echo "const size_t ${name}_size = sizeof($name);"
} >"$out.tmp"
mv "$out.tmp" "$out"
