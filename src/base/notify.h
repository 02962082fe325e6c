#pragma once

/*
 * The notification socket of a service manager (systemd's sd_notify protocol): datagrams of
 * KEY=value lines to the socket that the environment names. Without one, the functions do nothing.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
    int fd; /* -1: there is no manager */
    struct sockaddr_un address;
    socklen_t address_size;
    uint64_t watchdog_ms; /* longest time between two WATCHDOG=1; 0: no watchdog */
};

/*
 * Reads NOTIFY_SOCKET (a path, or an abstract name that begins with '@'), WATCHDOG_USEC and
 * WATCHDOG_PID from `env`. -EINVAL: one of them is invalid; then notify_send() sends nothing.
 */
int notify_init(struct notify *n, const char *const *env, struct error *err) _nodiscard_;
void notify_done(struct notify *n);

bool notify_is_wanted(const struct notify *n);

/* Sends one datagram of at most 1 KiB; lines are separated by '\n'. Blocks for at most 1 s. */
int notify_send(const struct notify *n, const char *fmt, ...) _nodiscard_ _printf_(2, 3);
