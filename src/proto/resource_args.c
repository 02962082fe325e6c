#include "proto/resource_args.h"

#include "base/str.h"
#include "proto/codec.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define AT(m)       offsetof(struct resource_args, m)
#define MUST        (FIELD_REQUIRED | FIELD_NON_EMPTY)
#define ADDRESS_MAX 64
#define MAX_LABELS  64

static int check_image(const char *value, const char **ret_why)
{
    *ret_why = "Input should be an id or a name of an image";
    return str_is_image_ref(value) ? 0 : -EINVAL;
}

static int check_name(const char *value, const char **ret_why)
{
    *ret_why = "Input should begin with a letter or digit and hold letters, digits, _, . and -";
    return str_is_container_ref(value) ? 0 : -EINVAL;
}

static int check_optional_name(const char *value, const char **ret_why)
{
    return *value == '\0' ? 0 : check_name(value, ret_why);
}

/* The name of a plugin has the form of an image's. */
static int check_optional_driver(const char *value, const char **ret_why)
{
    *ret_why = "Input should be a driver such as local or vieux/sshfs:latest";
    return *value == '\0' || str_is_image_ref(value) ? 0 : -EINVAL;
}

static bool is_address(const char *s, int family)
{
    unsigned char bytes[sizeof(struct in6_addr)];

    return inet_pton(family, s, bytes) == 1;
}

static int check_gateway(const char *value, const char **ret_why)
{
    *ret_why = "Input should be an IP address";
    return *value == '\0' || is_address(value, AF_INET) || is_address(value, AF_INET6) ? 0
                                                                                       : -EINVAL;
}

/* Checked here because engines report a malformed subnet as an internal error. */
static int check_subnet(const char *value, const char **ret_why)
{
    const char *slash = strchr(value, '/');
    char address[INET6_ADDRSTRLEN];
    uint64_t bits;

    *ret_why = "Input should be a subnet such as 10.5.0.0/16";
    if (*value == '\0')
        return 0;
    if (!slash || (size_t)(slash - value) >= sizeof(address))
        return -EINVAL;
    str_copy(address, (size_t)(slash - value) + 1, value);
    if (is_address(address, AF_INET))
        return parse_u64(slash + 1, 32, &bits);
    return is_address(address, AF_INET6) ? parse_u64(slash + 1, 128, &bits) : -EINVAL;
}

static const struct field remove_image[] = {
    {"image_id", FIELD_STRING, AT(ref),   MUST, 0, 512, check_image},
    {"force",    FIELD_BOOL,   AT(force), 0,    0, 0,   NULL       },
};
static const struct field create_network[] = {
    {"name",     FIELD_STRING, AT(ref),      MUST, 0, 255,         check_name         },
    {"driver",   FIELD_STRING, AT(driver),   0,    0, 255,         check_optional_name},
    {"subnet",   FIELD_STRING, AT(subnet),   0,    0, ADDRESS_MAX, check_subnet       },
    {"gateway",  FIELD_STRING, AT(gateway),  0,    0, ADDRESS_MAX, check_gateway      },
    {"internal", FIELD_BOOL,   AT(internal), 0,    0, 0,           NULL               },
};
static const struct field delete_network[] = {
    {"network_id", FIELD_STRING, AT(ref),   MUST, 0, 255, check_name},
    {"force",      FIELD_BOOL,   AT(force), 0,    0, 0,   NULL      },
};
static const struct field delete_volume[] = {
    {"volume_name", FIELD_STRING, AT(ref),   MUST, 0, 255, check_name},
    {"force",       FIELD_BOOL,   AT(force), 0,    0, 0,   NULL      },
};
/* Without a name the engine chooses one. */
static const struct field create_volume[] = {
    {"name",   FIELD_STRING,     AT(ref),    0,                0, 255,        check_optional_name  },
    {"driver", FIELD_STRING,     AT(driver), FIELD_OMIT_EMPTY, 0, 255,        check_optional_driver},
    {"labels", FIELD_STRING_MAP, AT(labels), FIELD_OMIT_EMPTY, 0, MAX_LABELS, NULL                 },
};
/* Absent members are false: everything that is unused is removed, as by agents of all eras. */
static const struct field prune_images[] = {
    {"dangling", FIELD_BOOL, AT(dangling),   FIELD_OMIT_EMPTY, 0, 0, NULL},
    {"dry_run",  FIELD_BOOL, AT(is_dry_run), FIELD_OMIT_EMPTY, 0, 0, NULL},
};
static const struct field prune_networks[] = {
    {"dry_run", FIELD_BOOL, AT(is_dry_run), FIELD_OMIT_EMPTY, 0, 0, NULL},
};
static const struct field prune_volumes[] = {
    {"anonymous", FIELD_BOOL, AT(anonymous),  FIELD_OMIT_EMPTY, 0, 0, NULL},
    {"dry_run",   FIELD_BOOL, AT(is_dry_run), FIELD_OMIT_EMPTY, 0, 0, NULL},
};
/* The members that own memory, of any operation. */
static const struct field owned[] = {
    {"", FIELD_STRING,     AT(ref),     0, 0, 0, NULL},
    {"", FIELD_STRING,     AT(driver),  0, 0, 0, NULL},
    {"", FIELD_STRING,     AT(subnet),  0, 0, 0, NULL},
    {"", FIELD_STRING,     AT(gateway), 0, 0, 0, NULL},
    {"", FIELD_STRING_MAP, AT(labels),  0, 0, 0, NULL},
};

static const struct table {
    const struct field *fields; /* NULL: no arguments */
    size_t n;
} tables[OPERATIONS] = {
    [OPERATION_REMOVE_IMAGE] = {remove_image,   ARRAY_LEN(remove_image)  },
    [OPERATION_CREATE_NETWORK] = {create_network, ARRAY_LEN(create_network)},
    [OPERATION_DELETE_NETWORK] = {delete_network, ARRAY_LEN(delete_network)},
    [OPERATION_CREATE_VOLUME] = {create_volume,  ARRAY_LEN(create_volume) },
    [OPERATION_PRUNE_IMAGES] = {prune_images,   ARRAY_LEN(prune_images)  },
    [OPERATION_PRUNE_NETWORKS] = {prune_networks, ARRAY_LEN(prune_networks)},
    [OPERATION_PRUNE_VOLUMES] = {prune_volumes,  ARRAY_LEN(prune_volumes) },
    [OPERATION_DELETE_VOLUME] = {delete_volume,  ARRAY_LEN(delete_volume) },
};

void resource_args_done(struct resource_args *a)
{
    codec_done(owned, ARRAY_LEN(owned), a);
}

int resource_args_decode(enum operation_id operation,
                         const json_t *payload,
                         struct resource_args *ret,
                         struct error *err)
{
    const struct table *t = &tables[operation];
    int r;

    *ret = (struct resource_args){0};
    if (t->n == 0)
        return 0;
    r = codec_decode(t->fields, t->n, payload, ret, err);
    if (r == 0 && !str_is_empty(ret->gateway) && str_is_empty(ret->subnet)) {
        resource_args_done(ret);
        r = codec_error(err, -EINVAL, "gateway", "A gateway needs the subnet that it is in");
    }
    return r;
}

json_t *resource_args_encode(enum operation_id operation, const struct resource_args *a)
{
    return codec_encode(tables[operation].fields, tables[operation].n, a);
}
