#!/bin/sh
# Installs dockmon-agent on this host and joins it to the server that serves this script at /install.sh. The server puts
# a preamble in front of it: url, pin, curl_pin, token, sums, and the function print_unit. Run as root without options.
#
#   --user           install for the calling user, without root and without a service
#   --no-service     do not use systemd: start the agent in the background
#   --docker-host H  address of the engine (default: unix:///var/run/docker.sock)
#   --dry-run        check this host, print what would be done, and change nothing
#   --uninstall      stop the agent and remove everything that this script has installed
set -eu

: "${url:=}" "${pin:=}" "${curl_pin:=}" "${token:=}" "${sums:=}"

say() {
    printf 'dockmon: %s\n' "$*"
}

die() {
    printf 'dockmon: %s\n' "$*" >&2
    exit 1
}

usage() {
    cat <<'END'
usage: ... | sh [-s -- OPTION...]
  --user           install for the calling user, without root and without a service
  --no-service     do not use systemd: start the agent in the background
  --docker-host H  address of the engine (default: unix:///var/run/docker.sock)
  --dry-run        check this host, print what would be done, and change nothing
  --uninstall      stop the agent and remove everything that this script has installed
END
}

has() {
    command -v "$1" >/dev/null 2>&1
}

# run COMMAND...: runs it, or prints it with --dry-run.
run() {
    if [ -n "$dry_run" ]; then
        say "would run: $*"
    else
        "$@"
    fi
}

# --- facts about this host ---

# find_sum NAME: prints the SHA-256 of a file that the server offers, or nothing.
find_sum() {
    printf '%s\n' "$sums" | sed -n "s/^$1 \([0-9a-f]*\)\$/\1/p"
}

find_platform() {
    [ "$(uname -s)" = Linux ] || die "this system is $(uname -s); the agent runs on Linux only"
    case $(uname -m) in
    x86_64) arch=amd64 ;;
    aarch64 | arm64) arch=arm64 ;;
    armv7* | armv8l) arch=arm ;;
    *) arch=$(uname -m) ;;
    esac
    platform=linux-$arch
    sum=$(find_sum "$platform")
    [ -n "$sum" ] || die "$url has no agent for $platform; build one, or run the server's release for this processor"
}

find_tools() {
    if has curl; then
        fetcher=curl
    elif has wget; then
        fetcher=wget
    else
        die "neither curl nor wget is installed; install one and paste the line again"
    fi
    if has sha256sum; then
        summer=sha256sum
    elif has shasum; then
        summer='shasum -a 256'
    else
        die "neither sha256sum nor shasum is installed; the download could not be verified"
    fi
}

# The engine's socket must exist, because an agent without an engine is of no use.
find_engine() {
    case $docker_host in
    unix://*) socket=${docker_host#unix://} ;;
    *) socket= && return 0 ;;
    esac
    if [ ! -S "$socket" ]; then
        die "there is no Docker engine at $socket; install or start Docker, or name its address with --docker-host"
    fi
    [ -z "$user_mode" ] || [ -w "$socket" ] ||
        die "$(id -un) may not use $socket; run this as root, or as a member of the group $(stat -c %G "$socket")"
}

find_places() {
    if [ -n "$user_mode" ]; then
        bin_dir=$HOME/.local/bin
        conf_dir=${XDG_CONFIG_HOME:-$HOME/.config}/dockmon
        data_dir=${XDG_DATA_HOME:-$HOME/.local/share}/dockmon-agent
    else
        [ "$(id -u)" = 0 ] ||
            die "this needs root: end the line with \`| sudo sh\`, or with \`| sh -s -- --user\` to install for $(id -un) alone"
        bin_dir=/usr/local/bin
        conf_dir=/etc/dockmon
        data_dir=/var/lib/dockmon-agent
    fi
    program=$bin_dir/dockmon-agent
    launcher=$bin_dir/dockmon-agent-launch
    conf=$conf_dir/dockmon-agent.conf
    pid_file=$data_dir/agent.pid
    log_file=$data_dir/agent.log
    unit=/etc/systemd/system/dockmon-agent.service
    [ -n "$user_mode" ] || [ -n "$no_service" ] || [ -d /run/systemd/system ] || {
        say "systemd does not run here: the agent is started without a service"
        no_service=1
    }
    [ -z "$user_mode" ] || no_service=1
}

# --- download ---

# fetch PATH FILE: downloads from the server, which is recognised by its key. The token does not appear in `ps`.
fetch() {
    if [ "$fetcher" = curl ]; then
        printf 'header = "Authorization: Bearer %s"\n' "$token" |
            curl -fsS ${curl_pin:+-k --pinnedpubkey "$curl_pin"} -K - -o "$2" "$url$1"
    else
        wget -q ${curl_pin:+--no-check-certificate "--pinnedpubkey=$curl_pin"} \
            --header="Authorization: Bearer $token" -O "$2" "$url$1"
    fi
}

# install_file NAME SUM FILE: downloads it, unless FILE is that already.
install_file() {
    if [ -x "$3" ] && [ "$($summer <"$3" | cut -d ' ' -f 1)" = "$2" ]; then
        say "$3 is up to date"
        return 0
    fi
    if [ -n "$dry_run" ]; then
        say "would download $url/download/agent/$1 to $3 (SHA-256 $2)"
        return 0
    fi
    mkdir -p "$bin_dir"
    new=$3.new
    fetch "/download/agent/$1" "$new" || die "the agent could not be downloaded from $url"
    if [ "$($summer <"$new" | cut -d ' ' -f 1)" != "$2" ]; then
        rm -f "$new"
        die "the downloaded agent has the wrong SHA-256; nothing was installed"
    fi
    chmod 755 "$new"
    mv "$new" "$3"
    [ "$3" != "$program" ] || say "installed $program ($("$program" --version), SHA-256 verified)"
}

# Without a service nothing restarts an agent that fails after a self-update, so there is no launcher either.
install_launcher() {
    launcher_sum=$(find_sum "launch-$platform")
    if [ -n "$no_service" ] || [ -z "$launcher_sum" ]; then
        launcher=
        return 0
    fi
    install_file "launch-$platform" "$launcher_sum" "$launcher"
}

# --- configuration ---

# With a certificate that the authorities of this host confirm, no pin is written: its key may be replaced at any time.
is_confirmed() {
    case $url in
    https://*) ;;
    *) return 0 ;;
    esac
    if [ "$fetcher" = curl ]; then
        curl -fsS -o /dev/null "$url/health" 2>/dev/null
    else
        wget -q -O /dev/null "$url/health" 2>/dev/null
    fi
}

# Settings that an administrator has added are kept.
# Prints the proxies of the environment as lines of the configuration: the service has another environment.
proxy_lines() {
    for names in HTTPS_PROXY:https_proxy HTTP_PROXY:http_proxy NO_PROXY:no_proxy; do
        eval "value=\${${names%:*}:-\${${names#*:}:-}}"
        [ -z "$value" ] || printf '%s=%s\n' "${names%:*}" "$value"
    done
}

write_configuration() {
    if [ -n "$dry_run" ]; then
        say "would write $conf with the address and the key of $url"
        return 0
    fi
    mkdir -p "$conf_dir"
    old=
    proxies=$(proxy_lines)
    keys='DOCKMON_URL|DOCKMON_PIN|REGISTRATION_TOKEN|DOCKER_HOST|DATA_PATH'
    [ -z "$proxies" ] || keys="$keys|HTTPS_PROXY|HTTP_PROXY|NO_PROXY"
    [ ! -f "$conf" ] || old=$(grep -vE "^($keys)=" "$conf" || true)
    is_confirmed && conf_pin='' || conf_pin=$pin
    (
        umask 077
        {
            [ -z "$old" ] || printf '%s\n' "$old"
            [ -z "$proxies" ] || printf '%s\n' "$proxies"
            printf 'DOCKMON_URL=%s\n' "$url"
            [ -z "$conf_pin" ] || printf 'DOCKMON_PIN=%s\n' "$conf_pin"
            printf 'REGISTRATION_TOKEN=%s\nDOCKER_HOST=%s\nDATA_PATH=%s\n' "$token" "$docker_host" "$data_dir"
        } >"$conf.new"
    )
    # The service has a user of its own, which reads the file as a member of the socket's group.
    if [ -z "$no_service" ]; then
        chgrp "$group" "$conf.new"
        chmod 640 "$conf.new"
    fi
    mv "$conf.new" "$conf"
    say "wrote $conf"
}

# --- start ---

has_joined() {
    [ -s "$data_dir/permanent_token" ]
}

# wait_for_join COMMAND...: waits up to 30 s for the permanent token; COMMAND fails when the agent has ended.
wait_for_join() {
    n=0
    until has_joined; do
        n=$((n + 1))
        [ "$n" -le 300 ] && "$@" || return 1
        sleep 0.1 2>/dev/null || sleep 1
    done
}

start_service() {
    if [ -n "$dry_run" ]; then
        say "would write $unit and run: systemctl enable --now dockmon-agent"
        return 0
    fi
    without_launcher=
    [ -n "$launcher" ] || without_launcher='s|^ExecStart=[^ ]* \([^ ]*\) [^ ]*|ExecStart=\1|'
    print_unit | sed -e "s|@bindir@|$bin_dir|g" -e "$without_launcher" -e "s|^SupplementaryGroups=.*|SupplementaryGroups=$group|" >"$unit.new"
    mv "$unit.new" "$unit"
    systemctl daemon-reload
    systemctl enable --quiet dockmon-agent
    systemctl restart dockmon-agent
    wait_for_join true || {
        journalctl --no-pager -n 20 -u dockmon-agent >&2 || true
        die "the agent runs but has not joined $url; the lines above say why (journalctl -u dockmon-agent)"
    }
    say "wrote $unit; the service dockmon-agent runs now and starts at every boot"
}

# Prints the pid of the agent that an earlier run has started in the background, if it still runs.
background_pid() {
    [ -s "$pid_file" ] || return 0
    pid=$(cat "$pid_file")
    case $(readlink "/proc/$pid/exe" 2>/dev/null) in
    "$program" | "$program (deleted)") printf '%s\n' "$pid" ;;
    esac
}

stop_background() {
    pid=$(background_pid)
    [ -n "$pid" ] || return 0
    kill "$pid" 2>/dev/null || true
    n=0
    while [ -n "$(background_pid)" ] && [ "$n" -lt 100 ]; do
        n=$((n + 1))
        sleep 0.1 2>/dev/null || sleep 1
    done
    rm -f "$pid_file"
}

# A process that has ended is a zombie, which has no program.
is_running() {
    [ -n "$(readlink "/proc/$1/exe" 2>/dev/null)" ]
}

start_background() {
    if [ -n "$dry_run" ]; then
        say "would start $program --config $conf in the background"
        return 0
    fi
    (umask 077 && mkdir -p "$data_dir")
    stop_background
    nohup "$program" --config "$conf" >>"$log_file" 2>&1 </dev/null &
    printf '%s\n' $! >"$pid_file"
    wait_for_join is_running $! || {
        stop_background
        tail -n 20 "$log_file" >&2
        die "the agent has not joined $url; the lines above say why ($log_file)"
    }
    say "the agent runs in the background, as process $(cat "$pid_file"), until this host restarts; its log is $log_file"
    say "to run it at boot, have your init system start: $program --config $conf"
}

uninstall() {
    if [ -f "$unit" ] && [ -z "$user_mode" ]; then
        if has systemctl && [ -d /run/systemd/system ]; then
            run systemctl disable --quiet --now dockmon-agent
        fi
        run rm -f "$unit"
        ! has systemctl || [ ! -d /run/systemd/system ] || run systemctl daemon-reload
    fi
    [ -n "$dry_run" ] || stop_background
    run rm -rf "$program" "$launcher" "$conf" "$data_dir"
    # DynamicUser= makes the state directory a symbolic link to this one.
    [ -n "$user_mode" ] || run rm -rf /var/lib/private/dockmon-agent
    [ ! -d "$conf_dir" ] || [ -n "$dry_run" ] || rmdir "$conf_dir" 2>/dev/null || true
    [ -n "$dry_run" ] || {
        say "removed the agent; the server still lists this host"
        say "to let it join again later, run there: dockmon agent revoke $(uname -n)"
    }
}

parse() {
    user_mode='' no_service='' dry_run='' goal=install
    docker_host=${DOCKER_HOST:-unix:///var/run/docker.sock}
    while [ $# -gt 0 ]; do
        case $1 in
        --user) user_mode=1 ;;
        --no-service) no_service=1 ;;
        --dry-run) dry_run=1 ;;
        --uninstall) goal=uninstall ;;
        --docker-host)
            [ $# -gt 1 ] || die "--docker-host needs an address"
            docker_host=$2
            shift
            ;;
        --help)
            usage
            exit 0
            ;;
        *)
            usage >&2
            die "unexpected argument $1"
            ;;
        esac
        shift
    done
}

main() {
    parse "$@"
    find_places
    if [ "$goal" = uninstall ]; then
        uninstall
        return 0
    fi
    [ -n "$url" ] || die "this script has no server; get it with the line that \`dockmon token create\` prints"
    find_platform
    find_tools
    find_engine
    group=root
    [ -z "$socket" ] || group=$(stat -c %G "$socket")
    was_joined=
    ! has_joined || was_joined=1
    install_file "$platform" "$sum" "$program"
    install_launcher
    write_configuration
    if [ -n "$no_service" ]; then start_background; else start_service; fi
    if [ -n "$dry_run" ]; then
        say "nothing was changed"
    elif [ -n "$was_joined" ]; then
        say "this host had joined already; it keeps its identity at $url"
    else
        say "this host has joined $url"
    fi
}

# The last line: a download that was cut short runs nothing.
main "$@"
