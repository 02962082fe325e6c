#include "server/offline/import_command.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/import/import.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD       "import-dockmon"
#define EXIT_USAGE 2
#define USAGE      "Usage: dockmond [--data-dir DIR] " WORD " [--dry-run | --apply] FILE\n"

struct arguments {
    const char *data_dir, *file;
    bool apply, is_dry, wants_help;
};

static const char *const kind_titles[IMPORT_KINDS] = {
    [IMPORT_HOSTS] = "hosts",
    [IMPORT_AGENTS] = "agents",
    [IMPORT_USERS] = "users",
    [IMPORT_KEYS] = "API keys",
    [IMPORT_HOST_TAGS] = "tags of hosts",
    [IMPORT_CONTAINER_SETTINGS] = "settings of containers",
    [IMPORT_EVENTS] = "events",
};

/* The tables that are read, and why others stay behind. */
static const struct known_table {
    const char *name, *why_not; /* NULL: it is read */
} known_tables[] = {
    {"agents",                       NULL                                                },
    {"alembic_version",              "DockMon's own"                                     },
    {"api_keys",                     NULL                                                },
    {"audit_log",                    "stays in the file: our audit log is not rewritten" },
    {"auto_restart_configs",         NULL                                                },
    {"container_desired_states",     NULL                                                },
    {"container_http_health_checks", NULL                                                },
    {"container_stats_history",      "statistics begin again: the intervals differ"      },
    {"container_updates",            NULL                                                },
    {"custom_groups",                "groups become the roles admin, operator and viewer"},
    {"docker_hosts",                 NULL                                                },
    {"event_logs",                   NULL                                                },
    {"host_stats_history",           "statistics begin again: the intervals differ"      },
    {"notification_channels",        "encrypted, and there is no place for it yet"       },
    {"oidc_config",                  "encrypted, and there is no login by OIDC"          },
    {"registration_tokens",          "valid for minutes only: create new ones"           },
    {"registry_credentials",         "encrypted, and there is no place for it yet"       },
    {"tag_assignments",              NULL                                                },
    {"tags",                         NULL                                                },
    {"user_group_memberships",       NULL                                                },
    {"users",                        NULL                                                },
};

bool import_command_is(const char *word)
{
    return str_eq(word, WORD);
}

static bool parse(struct arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (str_eq(word, "--apply")) {
            a->apply = true;
        } else if (str_eq(word, "--dry-run")) {
            a->is_dry = true;
        } else if (str_eq(word, "--help")) {
            a->wants_help = true;
        } else if (str_eq(word, "--data-dir") && i + 1 < argc) {
            a->data_dir = argv[++i];
        } else if (str_starts_with(word, "--data-dir=")) {
            a->data_dir = word + strlen("--data-dir=");
        } else if (str_starts_with(word, "--encryption-key")) {
            (void)fprintf(stderr, "dockmond: --encryption-key: what DockMon encrypts (credentials "
                                  "of registries, channels, OIDC) has no place here yet, so the "
                                  "key is not needed\n");
            return false;
        } else if (word[0] != '-' && word[0] != '\0' && !a->file) {
            a->file = word;
        } else {
            (void)fprintf(stderr, "dockmond: `%s` is not an argument of this command\n", word);
            return false;
        }
    }
    return a->wants_help || (a->file && !(a->apply && a->is_dry));
}

static void report_table(void *arg _unused_, const char *name)
{
    char shown[64];

    for (size_t i = 0; i < ARRAY_LEN(known_tables); i++) {
        if (!str_eq(name, known_tables[i].name))
            continue;
        if (known_tables[i].why_not)
            (void)printf("table %s: %s\n", name, known_tables[i].why_not);
        return;
    }
    str_copy(shown, sizeof(shown), name);
    for (char *p = shown; *p; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            *p = '?';
    }
    (void)printf("table %s: unknown, not read\n", shown);
}

static int report(const struct import *im, bool apply, struct error *err)
{
    (void)printf("%-24s %8s %8s %8s\n", "", apply ? "taken" : "to take", "present", "not");
    for (size_t kind = 0; kind < IMPORT_KINDS; kind++) {
        const struct import_count *c = &im->counts[kind];

        (void)printf("%-24s %8u %8u %8u\n", kind_titles[kind], c->n_taken, c->n_present,
                     c->n_refused);
        for (unsigned i = 0; i < c->n_notes; i++)
            (void)printf("    %s\n", c->notes[i]);
        if (c->n_refused > c->n_notes)
            (void)printf("    and %u more\n", c->n_refused - c->n_notes);
    }
    return foreign_file_tables(im->from, report_table, NULL, err);
}

static int execute(const struct arguments *a, struct error *err)
{
    struct import im = {.now_ms = time_utc_ms()};
    int r = foreign_file_open(&im.from, a->file, err);

    if (r == 0)
        r = foreign_file_has(im.from, "docker_hosts", err);
    if (r == 0) {
        r = error_set(err, -EINVAL, "%s is no database of DockMon: it has no table docker_hosts",
                      a->file);
    }
    if (r > 0)
        r = store_open(&im.to, a->data_dir, err);
    if (r == 0)
        r = db_lock(im.to, a->data_dir, err);
    if (r == 0)
        r = import_run(&im, a->apply, err);
    if (r == 0)
        r = report(&im, a->apply, err);
    import_done(&im);
    return r;
}

int import_command_run(int argc, char **argv, const char *data_dir)
{
    struct arguments a = {.data_dir = data_dir};
    struct error err = ERROR_INIT;

    if (!parse(&a, argc, argv)) {
        (void)fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    if (a.wants_help) {
        (void)printf(USAGE "\n%s", IMPORT_COMMAND_HELP);
        return EXIT_SUCCESS;
    }
    if (execute(&a, &err) < 0) {
        (void)fprintf(stderr, "dockmond: " WORD " %s: %s\n", a.file, err.msg);
        return EXIT_FAILURE;
    }
    if (!a.apply)
        (void)printf("Nothing was changed. Run it again with --apply to take this over.\n");
    return EXIT_SUCCESS;
}
