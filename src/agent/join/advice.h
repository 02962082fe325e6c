#pragma once

/*
 * Advice for the administrator about a failed connection, chosen by the text of the failure: the
 * tables in advice.c match parts of messages of OpenSSL and of net/. Never NULL; static.
 */

const char *advice_server(const char *reason);
const char *advice_engine_tls(const char *reason);
