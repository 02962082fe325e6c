# shellcheck shell=sh
# Creates a bare Debian 12 in a folder, from the mirror of this machine; sourced after common.sh. Needs root.

# Prints the mirror of this machine, which is not stored in the repository.
debian_mirror() {
    uri=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/debian* 2>/dev/null |
        sed -n 's/^URIs: *\([^ ]*\).*/\1/p; s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\).*/\2/p' | grep -v security | head -n 1)
    printf '%s\n' "${uri:-http://deb.debian.org/debian}"
}

# debian_make DIR: creates it as DIR.new and renames it when it is complete; keeps an existing DIR. The log is DIR.log.
debian_make() {
    [ ! -e "$1/etc/debian_version" ] || return 0
    command -v debootstrap >/dev/null 2>&1 || die "the package debootstrap is not installed"
    say "debootstrap of a bare Debian 12 in $1"
    mkdir -p "$(dirname -- "$1")"
    debootstrap --variant=minbase bookworm "$1.new" "$(debian_mirror)" >"$1.log" 2>&1 || {
        tail -n 20 "$1.log" >&2
        die "debootstrap failed"
    }
    # Package sources, proxies and certificates are copied from this machine, so that both reach the same servers.
    rm -f "$1.new/etc/apt/sources.list"
    cp -a /etc/apt/sources.list.d/debian* "$1.new/etc/apt/sources.list.d/" 2>/dev/null || true
    [ ! -f /etc/apt/sources.list ] || cp /etc/apt/sources.list "$1.new/etc/apt/sources.list"
    grep -lE 'Acquire' /etc/apt/apt.conf.d/* /etc/apt/apt.conf 2>/dev/null |
        while read -r f; do cp "$f" "$1.new/etc/apt/apt.conf.d/"; done
    for f in /root/.npmrc /etc/npmrc; do
        [ ! -f "$f" ] || cp "$f" "$1.new$f"
    done
    if [ -d /usr/local/share/ca-certificates ]; then
        mkdir -p "$1.new/usr/local/share/ca-certificates"
        cp -rL /usr/local/share/ca-certificates/. "$1.new/usr/local/share/ca-certificates/"
    fi
    # As in every image of Debian, installing a package does not start a service.
    printf '#!/bin/sh\nexit 101\n' >"$1.new/usr/sbin/policy-rc.d"
    chmod 755 "$1.new/usr/sbin/policy-rc.d"
    mv "$1.new" "$1"
}
