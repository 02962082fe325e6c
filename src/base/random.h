#pragma once

/*
 * Random numbers of the kernel, and random identifiers. They cannot fail: without a working
 * getrandom() the process ends.
 */

#include <stddef.h>
#include <stdint.h>

#define UUID_TEXT_SIZE 37

void random_bytes(void *ret, size_t size);
uint64_t random_below(uint64_t limit);      /* uniform in [0, limit); limit 0 gives 0 */
void random_uuid(char ret[UUID_TEXT_SIZE]); /* version 4, lowercase */
char *random_token(size_t bytes);           /* lowercase hex, to be freed; 32 bytes for secrets */
