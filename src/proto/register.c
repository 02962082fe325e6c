#include "proto/register.h"

#include "base/alloc.h"
#include "base/str.h"
#include "proto/json_text.h"
#include "proto/known_texts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static int check_id(const char *s, const char **ret_why)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:-";

    *ret_why = "Value error, ID must contain only alphanumeric characters, '-', '_' and ':'";
    return *s != '\0' && s[strspn(s, allowed)] == '\0' ? 0 : -EINVAL;
}

static int check_hostname_source(const char *s, const char **ret_why)
{
    static const char *const sources[] = {"agent_name", "daemon", "os", "engine_id"};

    for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
        if (str_eq(s, sources[i]))
            return 0;
    }
    *ret_why = "Input should be 'agent_name', 'daemon', 'os' or 'engine_id'";
    return -EINVAL;
}

#define AT(m)       offsetof(struct msg_register, m)
#define MUST        FIELD_REQUIRED
#define OPT         FIELD_OMIT_EMPTY
#define LAX         FIELD_LAX
#define POINTS      FIELD_POINTS
#define SHOWN       (FIELD_OMIT_EMPTY | FIELD_POINTS | FIELD_CUT)
#define MEMORY_MAX  1000000000000000
#define VERSION_MAX 50

/* Old servers know the first 13 fields only. */
static const struct field fields[] = {
    {"token",                     FIELD_STRING,   AT(token),                     MUST | POINTS, 0, 255,         check_id             },
    {"engine_id",                 FIELD_STRING,   AT(engine_id),                 MUST | POINTS, 0, 255,         check_id             },
    {"version",                   FIELD_STRING,   AT(version),                   MUST | POINTS, 0, VERSION_MAX, NULL                 },
    {"proto_version",             FIELD_STRING,   AT(proto_version),             MUST | POINTS, 0, 20,          NULL                 },
    {"capabilities",              FIELD_BOOL_MAP, AT(capabilities),              MUST | LAX,    0, 256,         NULL                 },
    {"hostname",                  FIELD_STRING,   AT(hostname),                  OPT | POINTS,  0, 255,         NULL                 },
    {"os_type",                   FIELD_STRING,   AT(os_type),                   SHOWN,         0, 50,          NULL                 },
    {"os_version",                FIELD_STRING,   AT(os_version),                SHOWN,         0, 500,         NULL                 },
    {"kernel_version",            FIELD_STRING,   AT(kernel_version),            SHOWN,         0, 255,         NULL                 },
    {"docker_version",            FIELD_STRING,   AT(docker_version),            SHOWN,         0, 50,          NULL                 },
    {"daemon_started_at",         FIELD_STRING,   AT(daemon_started_at),         SHOWN,         0, 100,         NULL                 },
    {"total_memory",              FIELD_I64,      AT(total_memory),              OPT | LAX,     1, MEMORY_MAX,  NULL                 },
    {"num_cpus",                  FIELD_I64,      AT(num_cpus),                  OPT | LAX,     1, 10000,       NULL                 },
    {"agent_os",                  FIELD_STRING,   AT(agent_os),                  SHOWN,         0, 20,          NULL                 },
    {"agent_arch",                FIELD_STRING,   AT(agent_arch),                SHOWN,         0, 20,          NULL                 },
    {"host_ip",                   FIELD_STRING,   AT(host_ip),                   OPT | POINTS,  0, 45,          NULL                 },
    {"host_ips",                  FIELD_STRINGS,  AT(host_ips),                  OPT,           0, 50,          NULL                 },
    {"hostname_source",           FIELD_STRING,   AT(hostname_source),           OPT,           0, 0,           check_hostname_source},
    {"force_unique_registration", FIELD_BOOL,     AT(force_unique_registration), OPT | LAX,     0, 0,           NULL                 },
};

#define N_SEED_FIELDS 13

/*
 * False for the characters that Python's str.isprintable() refuses, if they can hide or reorder
 * text.
 */
static bool is_printable(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0x0000,  0x0008  },
        {0x000b,  0x000c  },
        {0x000e,  0x001f  },
        {0x007f,  0x00a0  },
        {0x00ad,  0x00ad  },
        {0x0600,  0x0605  },
        {0x061c,  0x061c  },
        {0x06dd,  0x06dd  },
        {0x070f,  0x070f  },
        {0x1680,  0x1680  },
        {0x180e,  0x180e  },
        {0x2000,  0x200f  },
        {0x2028,  0x202f  },
        {0x205f,  0x206f  },
        {0x3000,  0x3000  },
        {0xe000,  0xf8ff  },
        {0xfeff,  0xfeff  },
        {0xfff0,  0xfffb  },
        {0xfffe,  0xffff  },
        {0xe0000, 0x10ffff},
    };

    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (c >= ranges[i][0] && c <= ranges[i][1])
            return false;
    }
    return true;
}

/* Decodes one sequence of text known to be UTF-8. */
static size_t next_point(const char *s, uint32_t *ret)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

    *ret = n == 1 ? c : c & (0x7fu >> n);
    for (size_t i = 1; i < n; i++)
        *ret = *ret << 6 | ((unsigned char)s[i] & 0x3f);
    return n;
}

static void delete_characters(char *s, bool also_unprintable)
{
    char *to = s;
    uint32_t point;
    size_t n;

    for (const char *from = s; *from; from += n) {
        n = next_point(from, &point);
        if (point == '<' || point == '>' || (also_unprintable && !is_printable(point)))
            continue;
        memmove(to, from, n);
        to += n;
    }
    *to = '\0';
}

/* A version that can be shown and stored as the field `version` can. */
static bool is_version(const char *text)
{
    size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+~-");

    return n > 0 && n <= VERSION_MAX && text[n] == '\0';
}

const char *msg_register_own_version(const struct msg_register *m)
{
    static const size_t n = sizeof(REGISTER_OWN_VERSION) - 1;
    json_t *map = m->capabilities, *value;
    const char *key;

    json_object_foreach(map, key, value)
    {
        if (strncmp(key, REGISTER_OWN_VERSION, n) == 0 && json_is_true(value) &&
            is_version(key + n))
            return key + n;
    }
    return m->version;
}

bool msg_register_is_printable(const char *text)
{
    uint32_t point;

    for (const char *s = text; *s; s += next_point(s, &point)) {
        (void)next_point(s, &point);
        if (!is_printable(point) || point < ' ')
            return false;
    }
    return true;
}

static void sanitise(char *s)
{
    const char *kept;

    if (!s)
        return;
    delete_characters(s, true);
    kept = str_trim(s);
    memmove(s, kept, strlen(kept) + 1);
}

static bool is_ip(const char *s)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, s, address) == 1 || inet_pton(AF_INET6, s, address) == 1;
}

static void drop_non_ips(struct strings *s)
{
    struct strings kept = {0};

    for (size_t i = 0; i < s->n; i++) {
        if (is_ip(s->items[i]))
            strings_add(&kept, s->items[i]);
    }
    strings_done(s);
    *s = kept;
}

static void clean(struct msg_register *m)
{
    char *const texts[] = {m->hostname,       m->os_type,  m->os_version, m->kernel_version,
                           m->docker_version, m->agent_os, m->agent_arch, m->host_ip};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        sanitise(texts[i]);
    if (m->daemon_started_at)
        delete_characters(m->daemon_started_at, false);
    drop_non_ips(&m->host_ips);
}

static int check_type(const json_t *v, struct error *err)
{
    const json_t *type = json_object_get(v, "type");

    if (!json_is_object(v))
        return error_set(err, -EINVAL, "Input should be an object");
    if (!type)
        return codec_error(err, -EINVAL, "type", "Field required");
    if (!json_is_string(type))
        return codec_error(err, -EINVAL, "type", "Input should be a valid string");
    if (!str_eq(json_text_get(v, "type"), "register"))
        return codec_error(err, -EINVAL, "type", "String should match pattern '^register$'");
    return 0;
}

int msg_register_decode(const json_t *v, struct msg_register *ret, struct error *err)
{
    struct msg_register m = {0};
    int r;

    r = check_type(v, err);
    if (r == 0)
        r = codec_decode(fields, ARRAY_LEN(fields), v, &m, err);
    if (r < 0)
        return error_wrap(err, r, TEXT_INVALID_REGISTRATION);

    clean(&m);
    *ret = m;
    return 0;
}

json_t *msg_register_encode(const struct msg_register *m, const char *const *leave_out)
{
    json_t *o = codec_encode(fields, ARRAY_LEN(fields), m);

    json_text_set(o, "type", json_text_str("register"));
    for (; leave_out && *leave_out; leave_out++)
        (void)json_object_del(o, *leave_out); /* it may be absent */
    return o;
}

void msg_register_done(struct msg_register *m)
{
    codec_done(fields, ARRAY_LEN(fields), m);
}

const char *msg_register_newer_field(size_t i)
{
    return i < ARRAY_LEN(fields) - N_SEED_FIELDS ? fields[N_SEED_FIELDS + i].name : NULL;
}

char *msg_register_refused_field(const char *error)
{
    static const char before[] = TEXT_EXTRA_INPUTS;
    const char *start = error ? strstr(error, before) : NULL;
    const char *end;

    if (!start)
        return NULL;
    start += strlen(before);
    end = strchr(start, ')');

    for (size_t i = N_SEED_FIELDS; end && i < ARRAY_LEN(fields); i++) {
        size_t n = strlen(fields[i].name);

        if ((size_t)(end - start) == n && strncmp(start, fields[i].name, n) == 0)
            return xstrdup(fields[i].name);
    }
    return NULL;
}
