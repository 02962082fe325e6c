#pragma once

/*
 * Advice for the administrator about a failed connection, chosen by the text of the failure: the
 * tables in advice.c match parts of messages of OpenSSL and of net/. Never NULL; static.
 */

const char *advice_server(const char *reason);
/* `code` is a negative errno of docker/engine.h, `address` that of the engine. */
const char *advice_engine(const char *address, int code, const char *reason);
