#pragma once

/* The content of packaging/release-keys, embedded by the build. */

#include <stddef.h>

extern const char release_keys_text[];
extern const size_t release_keys_text_size;
