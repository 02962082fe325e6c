# Counts the TAP of `node --test`: one pass|fail<TAB>name per test. Usage: awk -v name=FILE -v status=EXIT -f ...
# Each test counts once; a group of tests (it has a plan of its own) does not count.
match($0, /^ *# Subtest: /) { depth = RLENGTH; next }
match($0, /^ *1\.\.[0-9]+/) { has_plan[indent($0)] = 1; next }
/^ *(not )?ok [0-9]+ - / {
    level = indent($0)
    is_group = has_plan[level + 4]
    delete has_plan[level + 4]
    is_file = / - .*\.test\.mjs$/
    if (is_group || is_file || /# (SKIP|TO[D]O)/) next
    title = $0
    sub(/^ *(not )?ok [0-9]+ - /, "", title)
    verdict = ($1 == "ok") ? "pass" : "fail"
    if (verdict == "fail") failed++
    n++
    printf "%s\tintegration %s: %s\n", verdict, name, title
}
function indent(line) { match(line, /^ */); return RLENGTH }
END {
    if (status != 0 && !failed)
        printf "fail\tintegration %s (ended with status %d)\n", name, status
    else if (!n)
        printf "fail\tintegration %s (has no tests)\n", name
}
