#pragma once

/*
 * Finds the subject of a container by which its settings are stored (store/container_settings.h).
 */

#include <jansson.h>
#include <stdbool.h>

/*
 * Writes it into `ret`, which has CONTAINER_SUBJECT_SIZE bytes. `labels` is an object or NULL. True:
 * it is of Compose, and rows may also stand under the name.
 */
bool subject_of_container(const json_t *labels, const char *name, char *ret);
