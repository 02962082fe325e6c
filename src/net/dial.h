#pragma once

/*
 * Starts a non-blocking connect. Returns 0 when connected, -EINPROGRESS, or the error; *ret_fd is
 * the socket, which is the caller's in every case, or -1. For net/ only.
 */

#include <stdint.h>
#include <sys/socket.h>

int dial_unix(int *ret_fd, const char *path); /* -EAGAIN: the listener's backlog is full */
int dial_tcp(int *ret_fd, const struct sockaddr *to, socklen_t size, uint16_t port);
