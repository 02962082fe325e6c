#pragma once

/*
 * Advice about a socket file on which nothing listens, or NULL. An engine that starts again creates
 * a new file; a container in which the old one is mounted keeps that, and never reaches the engine.
 * `address` is that of the engine, `code` the failure of a call in docker/engine.h. Static.
 */
const char *dead_socket_advice(const char *address, int code);
