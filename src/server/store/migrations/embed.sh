#!/bin/sh
# Turns migration files into one C source: embed.sh OUTPUT 0001_a.sql 0002_b.sql ...
# --help prints this. Run by the build; the order of the arguments is the order of application.
set -eu
if [ "${1:-}" = "--help" ]; then
    sed -n '2,3s/^# //p' "$0"
    exit 0
fi
out=$1
shift
{
    echo '#include "server/sqlite/migrate.h"'
    echo 'const struct migration migrations[] = {'
    n=0
    for file in "$@"; do
        n=$((n + 1))
        name=$(basename "$file" .sql)
        case $name in
            "$(printf '%04d' "$n")"_*) ;;
            *) echo "embed.sh: $name is not number $n" >&2; exit 1 ;;
        esac
        printf '{"%s",\n' "$name"
        sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$/\\n"/' "$file"
        echo '},'
    done
    echo '};'
    echo "const unsigned n_migrations = $n;"
} > "$out.tmp"
mv "$out.tmp" "$out"
