#pragma once

/*
 * The id of the container this process runs in, from what the kernel shows of it. Three sources, in
 * this order: the bind mounts an engine makes for /etc/hostname, /etc/hosts and /etc/resolv.conf, the
 * cgroup path (v1, v2, cgroupfs and systemd drivers, Docker and Podman), and HOSTNAME, which engines
 * set to the short id. In a private cgroup namespace the path is just "0::/"; with --hostname the last
 * is no id.
 */

#include <stdbool.h>

#define OWN_CONTAINER_SIZE 65

/* Text of /proc/self/mountinfo and /proc/self/cgroup; true when an id of 64 hex digits is in it. */
bool own_container_from_mountinfo(const char *text, char ret[OWN_CONTAINER_SIZE]);
bool own_container_from_cgroup(const char *text, char ret[OWN_CONTAINER_SIZE]);
/* 12 or 64 hex digits. */
bool own_container_from_hostname(const char *hostname, char ret[OWN_CONTAINER_SIZE]);

/* Reads below `root` ("" but in tests). False: not in a container, as far as one can see. */
bool own_container_find(const char *root, const char *hostname, char ret[OWN_CONTAINER_SIZE]);
