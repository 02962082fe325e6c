#pragma once

/*
 * Networks from which an API key may be used: IPv4 and IPv6 addresses and CIDR. Plain data.
 */

#include "base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETWORKS_MAX      16
#define NETWORKS_TEXT_MAX 1024

struct network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;
};

struct networks {
    struct network items[NETWORKS_MAX];
    size_t n; /* 0: no restriction */
};

/* Parses "10.0.0.0/8,::1"; "" or NULL is no restriction. -EDOM with a message that names the
 * invalid network. */
int networks_parse(const char *text, struct networks *ret, struct error *err) _nodiscard_;
/* Returns whether each network of `inner` is part of one of `outer`. Without networks, each
 * address is in them. */
bool networks_are_within(const struct networks *inner, const struct networks *outer);
/* Text that is not an address is in no network. */
bool networks_have(const struct networks *networks, const char *address);
