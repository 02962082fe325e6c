#pragma once

/*
 * What a human can do about a connection that failed, by the text of the failure: parts of what OpenSSL
 * and the network code say. Never NULL.
 */

const char *advice_server(const char *reason);
const char *advice_engine_tls(const char *reason);
