#pragma once

/*
 * Finds the ID of the container that this process runs in. There are three sources, in this order:
 * the bind mounts that engines create for /etc/hostname, /etc/hosts and /etc/resolv.conf; the
 * cgroup path (v1, v2, cgroupfs and systemd drivers, Docker and Podman), which is only "0::/" in a
 * private cgroup namespace; and HOSTNAME, which engines set to the short ID unless --hostname is
 * given.
 */

#include <stdbool.h>

#define OWN_CONTAINER_SIZE 65

/*
 * Search the text of /proc/self/mountinfo and /proc/self/cgroup for an ID of 64 hex digits; false:
 * there is none.
 */
bool own_container_from_mountinfo(const char *text, char ret[OWN_CONTAINER_SIZE]);
bool own_container_from_cgroup(const char *text, char ret[OWN_CONTAINER_SIZE]);
/* True if the name consists of 12 or 64 hex digits. */
bool own_container_from_hostname(const char *hostname, char ret[OWN_CONTAINER_SIZE]);

/* Reads the files below `root`, "" except in tests. False: no container was found. */
bool own_container_find(const char *root, const char *hostname, char ret[OWN_CONTAINER_SIZE]);
