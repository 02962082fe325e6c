#pragma once

/*
 * IDs of containers: 64 hexadecimal digits. Users and old peers use the first 12.
 */

#define CONTAINER_ID_LEN        64
#define CONTAINER_ID_SIZE       (CONTAINER_ID_LEN + 1)
#define CONTAINER_SHORT_ID_LEN  12
#define CONTAINER_SHORT_ID_SIZE (CONTAINER_SHORT_ID_LEN + 1)
