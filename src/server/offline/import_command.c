#include "server/offline/import_command.h"
#include "base/alloc.h"
#include "base/random.h"
#include "base/str.h"
#include "base/time.h"
#include "server/import/import.h"
#include "server/import/sealed.h"
#include "server/import/tables.h"
#include "server/sqlite/data_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD       "import-dockmon"
#define EXIT_USAGE 2
#define USAGE      "Usage: dockmond [--data-dir DIR] " WORD " [--dry-run] [--encryption-key FILE] FILE\n"

struct arguments {
    const char *data_dir, *file, *key_file;
    struct fernet_key key; /* if there is a key_file */
    bool is_dry, wants_help;
};

static const char *const kind_titles[IMPORT_KINDS] = {
    [IMPORT_HOSTS] = "hosts",
    [IMPORT_AGENTS] = "agents",
    [IMPORT_USERS] = "users",
    [IMPORT_KEYS] = "API keys",
    [IMPORT_HOST_TAGS] = "tags of hosts",
    [IMPORT_CONTAINER_SETTINGS] = "settings of containers",
    [IMPORT_REGISTRIES] = "registries",
    [IMPORT_EVENTS] = "events",
    [IMPORT_AUDIT] = "audit log",
};

bool import_command_is(const char *word)
{
    return str_eq(word, WORD);
}

/* Returns whether argv[*i] is the option, with the value in *ret; *ret stays when it has none. */
static bool take_option(int argc, char **argv, int *i, const char *name, const char **ret)
{
    size_t length = strlen(name);

    if (!str_starts_with(argv[*i], name))
        return false;
    if (argv[*i][length] == '=') {
        *ret = argv[*i] + length + 1;
        return true;
    }
    if (argv[*i][length] != '\0' || *i + 1 >= argc)
        return false;
    *ret = argv[++*i];
    return true;
}

static bool parse(struct arguments *a, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];

        if (str_eq(word, "--dry-run")) {
            a->is_dry = true;
        } else if (str_eq(word, "--help")) {
            a->wants_help = true;
        } else if (take_option(argc, argv, &i, "--data-dir", &a->data_dir) ||
                   take_option(argc, argv, &i, "--encryption-key", &a->key_file)) {
            continue;
        } else if (word[0] != '-' && word[0] != '\0' && !a->file) {
            a->file = word;
        } else {
            (void)fprintf(stderr,
                          "dockmond: `%s` is not an argument of this command, or its value is "
                          "missing\n",
                          word);
            return false;
        }
    }
    return a->wants_help || a->file;
}

static int print_plan(const struct import *im, struct error *err)
{
    (void)printf("%-24s %8s %8s %8s\n", "", "comes", "present", "cannot");
    for (size_t kind = 0; kind < IMPORT_KINDS; kind++) {
        const struct import_count *c = &im->counts[kind];

        (void)printf("%-24s %8u %8u %8u\n", kind_titles[kind], c->n_taken, c->n_present,
                     c->n_refused);
        for (unsigned i = 0; i < c->n_notes; i++)
            (void)printf("    %s\n", c->notes[i]);
        if (c->n_left_out > 0)
            (void)printf("    and %u more\n", c->n_left_out);
    }
    return import_tables_print(im, im->key, err);
}

static void print_members(const struct import *im)
{
    if (im->members_table) {
        (void)printf("Members of groups: read from table %s.\n", im->members_table);
        return;
    }
    (void)printf("WARNING: ALL USERS OF THE FILE BECOME VIEWERS: it does not say who is in which "
                 "group.\n"
                 "    The tables %s were searched, with the columns user_id and group_id; none is "
                 "in the file.\n",
                 IMPORT_MEMBERS_TABLES);
}

static void print_lack_of_admin(const struct import *im, const char *data_dir)
{
    if (!im->lacks_admin)
        return;
    (void)printf("No user is an administrator then. Make one of them with:\n"
                 "    dockmond --data-dir %s user set-role --role admin NAME\n",
                 data_dir);
}

static const struct fernet_key *get_key(const struct arguments *a)
{
    return a->key_file ? &a->key : NULL;
}

/*
 * On a copy, so that a dry run changes nothing, and a file that cannot be read changes nothing
 * either. Its credentials are sealed with a key that is forgotten.
 */
static int rehearse(const struct arguments *a, struct db *from, struct error *err)
{
    struct vault vault;
    struct import im = {.from = from, .key = get_key(a), .vault = &vault, .now_ms = time_utc_ms()};
    int r = store_open_copy(&im.to, a->data_dir, err);

    random_bytes(vault.key, sizeof(vault.key));

    if (r == 0)
        r = import_run(&im, err);
    if (r == 0)
        r = print_plan(&im, err);
    if (r == 0) {
        print_members(&im);
        print_lack_of_admin(&im, a->data_dir);
    }
    import_done(&im);
    return r;
}

static int apply(const struct arguments *a, struct db *from, struct error *err)
{
    _cleanup_(vault_close) struct vault vault = {0};
    struct import im = {.from = from, .key = get_key(a), .vault = &vault, .now_ms = time_utc_ms()};
    _cleanup_close_ int lock = -1;
    unsigned n = 0;
    int r = data_dir_prepare(a->data_dir, NULL, err);

    if (r == 0)
        r = data_dir_lock(a->data_dir, &lock, err);
    if (r == 0)
        r = vault_open(&vault, a->data_dir, err);
    if (r == 0)
        r = store_open(&im.to, a->data_dir, err);
    if (r == 0)
        r = import_run(&im, err);
    for (size_t kind = 0; kind < IMPORT_KINDS; kind++)
        n += im.counts[kind].n_taken;
    if (r == 0)
        (void)printf("Done: %u rows were taken over.\n", n);
    import_done(&im);
    return r;
}

/* A key that does not fit ends the command before anything is printed or changed. */
static int check_key(struct arguments *a, struct db *from, struct error *err)
{
    int r;

    if (!a->key_file)
        return 0;
    r = fernet_key_read(&a->key, a->key_file, err);
    return r < 0 ? r : import_sealed_check(from, &a->key, err);
}

static int execute(struct arguments *a, struct error *err)
{
    _cleanup_(db_closep) struct db *from = NULL;
    int r = foreign_file_open(&from, a->file, err);

    if (r == 0)
        r = foreign_file_has(from, "docker_hosts", err);
    if (r == 0) {
        return error_set(err, -EINVAL,
                         "%s is not a database of DockMon: it has no table docker_hosts", a->file);
    }
    if (r > 0)
        r = check_key(a, from, err);
    if (r == 0)
        r = rehearse(a, from, err);
    if (r == 0 && !a->is_dry)
        r = apply(a, from, err);
    return r;
}

static int run(struct arguments *a)
{
    struct error err = ERROR_INIT;
    int r = execute(a, &err);

    fernet_key_done(&a->key);
    if (r < 0) {
        (void)fprintf(stderr, "dockmond: " WORD " %s: %s\n", a->file, err.msg);
        return EXIT_FAILURE;
    }
    if (a->is_dry)
        (void)printf("Nothing was changed.\n");
    return EXIT_SUCCESS;
}

int import_command_run(int argc, char **argv, const char *data_dir)
{
    struct arguments a = {.data_dir = data_dir};

    if (!parse(&a, argc, argv)) {
        (void)fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    if (a.wants_help) {
        (void)printf(USAGE "\n%s", IMPORT_COMMAND_HELP);
        return EXIT_SUCCESS;
    }
    return run(&a);
}
