#include "server/import/tables.h"
#include "base/str.h"
#include "server/import/sealed.h"
#include "server/sqlite/query.h"

#include <stdio.h>

#define STATISTICS                                                                                 \
    "statistics begin again: DockMon's intervals (7, 57, 172, 1209 and 5184 s) are none of ours, " \
    "and its values lie between the mean and the maximum"

#define TABLE(name) name, "SELECT count(*) FROM main." name

/* The tables of DockMon's schema, and why some stay behind. */
static const struct known_table {
    const char *name, *count;
    const char *why_not; /* NULL: it is taken */
} known_tables[] = {
    {TABLE("agents"),                       NULL                                                       },
    {TABLE("alembic_version"),              "the version of DockMon's own schema"                      },
    {TABLE("api_keys"),                     NULL                                                       },
    {TABLE("audit_log"),                    NULL                                                       },
    {TABLE("auto_restart_configs"),         NULL                                                       },
    {TABLE("container_desired_states"),     NULL                                                       },
    {TABLE("container_http_health_checks"), NULL                                                       },
    {TABLE("container_stats_history"),      STATISTICS                                                 },
    {TABLE("container_updates"),            NULL                                                       },
    {TABLE("custom_groups"),                "groups become the roles admin, operator and viewer"       },
    {TABLE("deployment_metadata"),          "there are no stacks yet"                                  },
    {TABLE("deployments"),                  "there are no stacks yet"                                  },
    {TABLE("docker_hosts"),                 NULL                                                       },
    {TABLE("event_logs"),                   NULL                                                       },
    {TABLE("global_settings"),              "settings are options of the server, see `dockmond --help`"},
    {TABLE("host_stats_history"),           STATISTICS                                                 },
    {TABLE("notification_channels"),        "there is no place for channels yet"                       },
    {TABLE("oidc_config"),                  "there is no login by OIDC"                                },
    {TABLE("registration_tokens"),          "valid for minutes only: create new ones"                  },
    {TABLE("registry_credentials"),         NULL                                                       },
    {TABLE("tag_assignments"),              NULL                                                       },
    {TABLE("tags"),                         NULL                                                       },
    {TABLE("user_prefs"),                   "users set their preferences again"                        },
    {TABLE("users"),                        NULL                                                       },
};

static const struct known_table *find_known(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(known_tables); i++) {
        if (str_eq(name, known_tables[i].name))
            return &known_tables[i];
    }
    return NULL;
}

static void print_name(const char *name)
{
    char shown[64];

    str_copy(shown, sizeof(shown), name);
    for (char *p = shown; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    (void)printf("table %s: ", shown);
}

static const char *find_reason(const struct import *im, const char *name)
{
    const struct known_table *known = find_known(name);

    if (known)
        return known->why_not;
    return str_eq(name, im->members_table) ? NULL : "not known to this version of dockmond";
}

struct printer {
    const struct import *im;
    const struct fernet_key *key;
    struct error *err;
    int code;
};

static void print_sealed(const struct printer *p, const struct import_sealed *s)
{
    if (s->n_sealed > 0 && p->key)
        (void)printf(", %u of %u sealed values opened by the key", s->n_opened, s->n_sealed);
    if (s->n_sealed > 0 && !p->key)
        (void)printf(", %u sealed values not read without --encryption-key", s->n_sealed);
}

static int print_line(const struct printer *p, const char *name)
{
    const struct known_table *known = find_known(name);
    const char *why_not = find_reason(p->im, name);
    struct import_sealed sealed;
    int64_t n = -1;
    int r = foreign_file_has(p->im->from, name, p->err);

    if (r == 0)
        why_not = "a virtual table";
    if (r > 0 && known)
        r = query_number(p->im->from, known->count, &n, p->err);
    if (r >= 0)
        r = import_sealed_count(p->im->from, name, p->key, &sealed, p->err);
    if (r < 0)
        return r;
    print_name(name);
    (void)printf("%s", why_not ? "not taken" : "read");
    if (n >= 0)
        (void)printf(", %jd rows", (intmax_t)n);
    print_sealed(p, &sealed);
    (void)printf("%s%s\n", why_not ? ": " : "", why_not ? why_not : "");
    return 0;
}

static void print_table(void *arg, const char *name)
{
    struct printer *p = arg;

    if (p->code == 0)
        p->code = print_line(p, name);
}

int import_tables_print(const struct import *im, const struct fernet_key *key, struct error *err)
{
    struct printer p = {im, key, err, 0};
    int r = foreign_file_tables(im->from, print_table, &p, err);

    for (size_t i = 0; r == 0 && p.code == 0 && i < ARRAY_LEN(known_tables); i++) {
        r = foreign_file_has(im->from, known_tables[i].name, err);
        if (r == 0)
            (void)printf("table %s: not in the file\n", known_tables[i].name);
        r = r > 0 ? 0 : r;
    }
    return r < 0 ? r : p.code;
}
