#pragma once

/*
 * Advice for the administrator about a failed connection, chosen by the text of the failure: the
 * tables in advice.c match parts of messages of OpenSSL and of net/. Static, and never NULL, unless stated
 * otherwise.
 */

const char *advice_server(const char *reason);
/* `code` is a negative errno of docker/engine.h, `address` that of the engine. */
const char *advice_engine(const char *address, int code, const char *reason);
/*
 * Advice about a socket file on which nothing listens, or NULL. An engine that starts again creates
 * a new file; a container in which the old one is mounted keeps that, and never reaches the engine.
 */
const char *advice_dead_socket(const char *address, int code);
