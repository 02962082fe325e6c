#pragma once

/*
 * An address to dial: "unix:///path", "tcp://host:port", "http://host[:port]",
 * "https://host[:port]", IPv6 hosts in brackets. Plain data of fixed size.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stdint.h>

struct address {
    bool is_unix;
    bool is_tls;
    uint16_t port;
    char host[256];    /* name or IP without brackets; unix: the path of the socket */
    char display[300]; /* "/var/run/docker.sock", "host:port": for humans */
    char header[300];  /* for the Host header; "localhost" for unix */
};

int address_parse(struct address *ret, const char *text, struct error *err) _nodiscard_;

/*
 * Whether a host (name or IP without brackets) is this machine by its text alone: localhost,
 * 127.0.0.0/8 or ::1. Names such as 127.example.com are not.
 */
bool address_is_loopback(const char *host);
