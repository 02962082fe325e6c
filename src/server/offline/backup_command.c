#include "server/offline/backup_command.h"
#include "base/alloc.h"
#include "base/str.h"
#include "base/time.h"
#include "server/auth/first_user.h"
#include "server/store/audit.h"
#include "server/store/backup.h"
#include "server/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define EXIT_USAGE    2
#define MIB           (UINT64_C(1) << 20)
#define QUIET_BYTES   (64 * MIB) /* smaller copies take too short a time to report progress */
#define PERCENT_STEPS 10

static const struct command {
    const char *word;
    int (*run)(const struct backup_options *o, struct error *err);
    int (*finish)(struct db *s, const char *data_dir, struct error *err); /* may be NULL */
    const char *action;                                                   /* in the audit log */
    const char *usage;
} commands[] = {
    {"backup",  backup_save,    NULL,                    "backup.create",  "backup [--no-history] [--no-tls] FILE"},
    {"restore", backup_restore, first_user_forget_stale, "backup.restore", "restore FILE"                         },
};

static const struct command *find_command(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (str_eq(word, commands[i].word))
            return &commands[i];
    }
    return NULL;
}

bool backup_command_is(const char *word)
{
    return find_command(word) != NULL;
}

static void on_progress(void *owner, uint64_t done, uint64_t total)
{
    uint64_t *next_percent = owner;

    if (total < QUIET_BYTES || done * 100 / total < *next_percent)
        return;
    *next_percent = done * 100 / total + PERCENT_STEPS;
    (void)fprintf(stderr, "dockmond: %" PRIu64 " of %" PRIu64 " MiB copied\n", done / MIB,
                  total / MIB);
}

/* Only warns on failure: a backup is needed most when the disk is full or the directory
 * read-only. */
static void record(const struct command *c, const char *data_dir, const char *file)
{
    _cleanup_(db_closep) struct db *store = NULL;
    _cleanup_free_ char *action = xstrdup(c->action), *target = xstrdup(file);
    struct audit_entry entry = {.at_ms = time_utc_ms(), .action = action, .target = target};
    struct error err = ERROR_INIT;
    char who[] = "offline", result[] = "ok";
    int r;

    entry.who = who;
    entry.result = result;
    r = store_open(&store, data_dir, &err);
    if (r == 0)
        r = audit_insert(store, &entry, &err);
    if (r < 0)
        (void)fprintf(stderr, "dockmond: cannot add this command to the audit log: %s\n", err.msg);
    if (store && c->finish && c->finish(store, data_dir, &err) < 0)
        (void)fprintf(stderr, "dockmond: " FIRST_USER_FILE " may be out of date: %s\n", err.msg);
}

static int print_usage(const struct command *c, int status)
{
    (void)fprintf(status == EXIT_SUCCESS ? stdout : stderr, "Usage: dockmond [--data-dir DIR] %s\n",
                  c->usage);
    return status;
}

/* Returns 0, or the exit status + 1. */
static int parse(const struct command *c, int argc, char **argv, struct backup_options *o)
{
    for (int i = 1; i < argc; i++) {
        if (str_eq(argv[i], "--help"))
            return print_usage(c, EXIT_SUCCESS) + 1;
        if (str_eq(argv[i], "--data-dir") && i + 1 < argc) {
            o->data_dir = argv[++i];
        } else if (str_starts_with(argv[i], "--data-dir=")) {
            o->data_dir = argv[i] + strlen("--data-dir=");
        } else if (str_eq(argv[i], "--no-history") && c->run == backup_save) {
            o->without_history = true;
        } else if (str_eq(argv[i], "--no-tls") && c->run == backup_save) {
            o->without_tls = true;
        } else if (argv[i][0] != '-' && argv[i][0] != '\0' && !o->file) {
            o->file = argv[i];
        } else {
            (void)fprintf(stderr, "dockmond: `%s` is not an argument of this command\n", argv[i]);
            return print_usage(c, EXIT_USAGE) + 1;
        }
    }
    if (!o->file) {
        (void)fprintf(stderr, "dockmond: the argument FILE is missing\n");
        return print_usage(c, EXIT_USAGE) + 1;
    }
    return 0;
}

static void report_saved(const char *file, const struct backup_contents *contents)
{
    (void)fprintf(stderr,
                  "dockmond: %s written and verified: the database%s, %zu files of the history\n",
                  file, contents->has_tls ? ", the server's key" : "", contents->n_history);
    if (contents->n_skipped > 0) {
        (void)fprintf(stderr, "dockmond: %zu damaged files of the history were left out\n",
                      contents->n_skipped);
    }
}

static void report_restored(const char *file, const char *kept)
{
    (void)fprintf(stderr, "dockmond: %s restored%s%s\n", file,
                  kept ? "; the previous database is kept as " : "", kept ? kept : "");
    (void)fprintf(stderr,
                  "dockmond: all sessions have ended. Passwords, API keys, registration tokens and "
                  "tokens of agents are those of the backup: what was deleted, revoked or changed "
                  "since is valid again\n");
}

int backup_command_run(int argc, char **argv, const char *data_dir)
{
    const struct command *c = find_command(argv[0]);
    uint64_t next_percent = 0;
    struct backup_contents contents = {0};
    _cleanup_free_ char *kept = NULL;
    struct backup_options o = {
        .data_dir = data_dir,
        .on_progress = on_progress,
        .owner = &next_percent,
        .ret_contents = &contents,
        .ret_kept = &kept,
    };
    struct error err = ERROR_INIT;
    int r;

    r = parse(c, argc, argv, &o);
    if (r != 0)
        return r - 1;
    if (c->run == backup_save)
        r = store_require(o.data_dir, &err);
    if (r == 0)
        r = c->run(&o, &err);
    if (r < 0) {
        (void)fprintf(stderr, "dockmond: %s %s: %s\n", c->word, o.file, err.msg);
        return EXIT_FAILURE;
    }
    if (c->run == backup_save) {
        report_saved(o.file, &contents);
    } else {
        report_restored(o.file, kept);
    }
    record(c, o.data_dir, o.file);
    return EXIT_SUCCESS;
}
