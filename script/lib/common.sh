# shellcheck shell=sh
# Common functions; every script sources this file after `set -eu`, with $0 being the script.

# Only the last folders of the path are compared, because a clone may be below a folder named check.
root=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
self=$root/${0##*/}
case $root in
*/script/check) root=${root%/script/check} ;;
*) root=${root%/script} ;;
esac
export root
caller_dir=$PWD
cd "$root" || exit 1

# absolute PATH: prints it as seen from the folder in which the script was called.
absolute() {
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$caller_dir" "$1" ;;
    esac
}

# Prints the script's header comment, which is its help.
usage() {
    awk 'NR > 1 && !/^#/ { exit } NR > 1 { sub(/^# ?/, ""); print }' "$self"
}

# help_wanted "$@": prints the help and ends the script if an argument is -h or --help.
help_wanted() {
    for word in "$@"; do
        case $word in
        -h | --help)
            usage
            exit 0
            ;;
        esac
    done
}

say() {
    printf '==> %s\n' "$*"
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

now() {
    date +%s
}

# record pass|fail NAME: adds a line to the results file of script/test, if that has called this script.
record() {
    [ -z "${DOCKMON_RESULTS:-}" ] || printf '%s\t%s\n' "$1" "$2" >>"$DOCKMON_RESULTS"
}

# Prints the C sources of the project, except those that git ignores.
c_files() {
    git ls-files --cached --others --exclude-standard -- 'src/*.[ch]' 'tests/*.[ch]' |
        while read -r f; do [ ! -f "$f" ] || printf '%s\n' "$f"; done
}

# meson_setup DIR OPTION...: sets up the build folder, and again when the options have changed.
meson_setup() {
    dir=$1
    shift
    wanted="${CC:-gcc} $*"
    if [ -f "$dir/build.ninja" ] && [ "$(cat "$dir/.options" 2>/dev/null)" = "$wanted" ]; then
        return 0
    fi
    rm -rf "$dir"
    mkdir -p "$(dirname -- "$dir")"
    CC=${CC:-gcc} meson setup "$dir" "$@" >"$dir.setup.log" 2>&1 || {
        cat "$dir.setup.log" >&2
        rm -f "$dir.setup.log"
        return 1
    }
    mv "$dir.setup.log" "$dir/setup.log"
    printf '%s\n' "$wanted" >"$dir/.options"
}

# program_path DIR NAME: prints the path of one of the programs in a build folder.
program_path() {
    case $2 in
    dockmon-agent-launch) printf '%s/src/launch/%s' "$1" "$2" ;;
    dockmon-agent) printf '%s/src/agent/%s' "$1" "$2" ;;
    dockmond) printf '%s/src/server/%s' "$1" "$2" ;;
    dockmon) printf '%s/src/cli/%s' "$1" "$2" ;;
    esac
}

# split_symbols MADE PROGRAM: writes the stripped MADE to PROGRAM, and its symbols to PROGRAM.debug for debuggers.
split_symbols() {
    objcopy --only-keep-debug "$1" "$2.debug"
    objcopy --strip-all --remove-section=.comment --add-gnu-debuglink="$2.debug" "$1" "$2.tmp"
    mv "$2.tmp" "$2"
}

# architecture: prints the name that container images have for the processor of this machine.
architecture() {
    case $(uname -m) in
    x86_64) printf 'amd64\n' ;;
    aarch64) printf 'arm64\n' ;;
    *) uname -m ;;
    esac
}

# agent_files PROGRAM DIR: fills DIR with what the server hands out to new hosts: the static agent, its launcher
# PROGRAM-launch, and its image.
agent_files() {
    mkdir -p "$2"
    cp "$1" "$2/agent-linux-$(architecture)"
    cp "$1-launch" "$2/agent-launch-linux-$(architecture)"
    packaging/agent-image "$1" "$(architecture)" "$2/image-$(architecture).tar"
}

engine_answers() {
    timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# need_engine DIR: starts an engine in DIR and sets DOCKER_HOST to it, unless one answers already.
need_engine() {
    if engine_answers; then
        printf 'using the Docker engine that answers at %s\n' "${DOCKER_HOST:-the default socket}"
        return
    fi
    printf 'no Docker engine answers; starting one in %s\n' "$1"
    DOCKER_HOST=$(script/engine start "$1")
    export DOCKER_HOST
}

# stop_engine DIR: stops the engine if need_engine has started one, and removes DIR.
stop_engine() {
    [ ! -e "$1/dockerd.log" ] || {
        say "stopping the Docker engine that was started for the tests"
        script/engine stop "$1" || true
    }
    rm -rf "$1"
}

# Builds all programs and unit tests with ASan and UBSan in build-asan/.
asan_build() {
    CC=gcc meson_setup build-asan -Db_sanitize=address,undefined -Dstatic_agent=false -Db_lundef=false \
        -Doptimization=1 -Ddebug=true
    nice ninja -C build-asan --quiet
    for name in dockmond dockmon-agent dockmon-agent-launch dockmon; do
        made=$(program_path build-asan "$name")
        [ ! -e "$made" ] || ln -sf "$root/$made" "build-asan/$name"
    done
}

# Makes tests use these programs from now on; a report of a sanitizer ends a program with status 99.
use_asan_build() {
    DOCKMON_BIN_DIR=$root/build-asan
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:exitcode=99
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=99
    export DOCKMON_BIN_DIR ASAN_OPTIONS UBSAN_OPTIONS
}
