/* Runs each offline command in a child process, as main() does, while this process has the store
 * open. */

#include "base/alloc.h"
#include "base/buf.h"
#include "base/str.h"
#include "server/auth/first_user.h"
#include "server/auth/password.h"
#include "server/common/running_file.h"
#include "server/offline/admin.h"
#include "server/store/audit.h"
#include "server/store/fixture.h"
#include "server/store/identities.h"
#include "server/store/secret.h"
#include "server/store/tokens.h"
#include "server/store/user_sessions.h"
#include "server/store/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 10

struct outcome {
    int status;
    char out[4096], err[4096];
};

static void read_all(int fd, char *ret, size_t capacity)
{
    size_t size = 0;
    ssize_t n;

    while (size < capacity - 1 && (n = read(fd, ret + size, capacity - 1 - size)) > 0)
        size += (size_t)n;
    ret[size] = '\0';
    close(fd);
}

static void run(struct outcome *ret, const char *data_dir, const char *const *words)
{
    char *argv[MAX_ARGS] = {NULL};
    int argc = 0, out[2], err[2];
    pid_t child;

    for (; words[argc]; argc++)
        argv[argc] = xstrdup(words[argc]);
    assert_int_equal(pipe(out), 0);
    assert_int_equal(pipe(err), 0);
    (void)fflush(NULL);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(err[1], STDERR_FILENO) < 0)
            _exit(99);
        ret->status = admin_run(argc, argv, data_dir);
        (void)fflush(NULL);
        _exit(ret->status);
    }
    close(out[1]);
    close(err[1]);
    read_all(out[0], ret->out, sizeof(ret->out));
    read_all(err[0], ret->err, sizeof(ret->err));
    assert_int_equal(waitpid(child, &ret->status, 0), child);
    assert_true(WIFEXITED(ret->status));
    ret->status = WEXITSTATUS(ret->status);
    for (int i = 0; i < argc; i++)
        free(argv[i]);
}

#define RUN(o, dir, ...) run((o), (dir), (const char *const[]){__VA_ARGS__, NULL})

/* Checks that stdout holds the secret on one line and nothing else. */
static char *secret_of(struct outcome *o)
{
    assert_int_equal(o->status, 0);
    assert_true(o->err[0] == '\0' || strstr(o->err, "no server runs on"));
    assert_true(o->out[0] != '\0' && o->out[strlen(o->out) - 1] == '\n');
    o->out[strlen(o->out) - 1] = '\0';
    assert_null(strchr(o->out, '\n'));
    return o->out;
}

static enum token_verdict consume(struct db *s, const char *token)
{
    enum token_verdict verdict = TOKEN_UNKNOWN;

    assert_int_equal(tokens_consume(s, token, 1, &verdict, NULL), 0);
    return verdict;
}

static void test_tokens_are_printed(void **state)
{
    struct fixture *f = *state;
    struct outcome o;
    char *token;

    RUN(&o, f->dir, "token", "create");
    token = secret_of(&o);
    assert_int_equal(strlen(token), 36);
    assert_int_equal(consume(f->store, token), TOKEN_OK);
    assert_int_equal(consume(f->store, token), TOKEN_USED);

    RUN(&o, "/nonexistent", "token", "create", "--multi-use", "--data-dir", f->dir);
    token = secret_of(&o);
    assert_int_equal(consume(f->store, token), TOKEN_OK);
    assert_int_equal(consume(f->store, token), TOKEN_OK);
}

static void test_keys_are_printed(void **state)
{
    struct fixture *f = *state;
    struct identity_row who = {0};
    char hash[SECRET_HASH_SIZE];
    struct outcome o;

    RUN(&o, f->dir, "apikey", "create", "--name", "ci", "--role=operator");
    secret_hash(secret_of(&o), hash);
    assert_int_equal(identities_get_by_key(f->store, hash, 1, &who, NULL), 0);
    assert_string_equal(who.name, "ci");
    assert_int_equal(who.role, ROLE_OPERATOR);
    identity_row_done(&who);

    RUN(&o, f->dir, "apikey", "create", "--name", "ci", "--role", "viewer");
    assert_int_equal(o.status, 1);
    assert_string_equal(o.out, "");
    assert_non_null(strstr(o.err, "named `ci` already exists"));
}

static void test_a_password_is_reset(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *file = fixture_path(f, FIRST_USER_FILE);
    struct identity_row who = {0};
    struct user user = {0};
    char session[] = "s1";
    struct outcome o;
    char *password;

    assert_int_equal(first_user_ensure(f->store, f->dir, NULL), 0);
    assert_int_equal(
        user_sessions_insert(
            f->store,
            &(struct user_session){.id_hash = session, .user_id = 1, .expires_at_ms = 100}, NULL),
        0);
    RUN(&o, f->dir, "user", "reset-password", "admin");
    password = secret_of(&o);
    assert_int_equal(users_get_by_name(f->store, "admin", &user, NULL), 0);
    assert_true(password_verify(password, user.password_hash));
    assert_true(user.must_change_password);
    user_done(&user);
    assert_int_equal(identities_get_by_session(f->store, session, 1, &who, NULL), -ENOENT);
    assert_int_equal(access(file, F_OK), -1); /* its password is out of date */

    RUN(&o, f->dir, "user", "reset-password", "nobody");
    assert_int_equal(o.status, 1);
    assert_string_equal(o.out, "");
    assert_non_null(strstr(o.err, "no user `nobody`"));
}

static void append_entry(void *arg, const struct audit_entry *e)
{
    assert_string_equal(e->who, "offline");
    assert_int_equal(buf_printf(arg, "%s %s;", e->action, e->target ? e->target : "-"), 0);
}

static void test_commands_are_recorded_in_the_audit_log(void **state)
{
    struct fixture *f = *state;
    struct buf rows = BUF_INIT(1000);
    struct outcome o;

    RUN(&o, f->dir, "token", "create");
    RUN(&o, f->dir, "apikey", "create", "--name", "ci", "--role", "viewer");
    RUN(&o, f->dir, "apikey", "create", "--name", "ci", "--role", "viewer"); /* fails */
    assert_int_equal(audit_list(f->store, &(struct audit_query){.page.limit = 9}, append_entry,
                                &rows, NULL, NULL),
                     0);
    assert_string_equal(buf_str(&rows), "apikey.create ci;token.create -;");
    buf_done(&rows);
}

static void test_wrong_usage_exits_with_2_and_changes_nothing(void **state)
{
    static const char *const cases[][MAX_ARGS] = {
        {"token"       },
        {         "token",             "destroy"},
        {                "token", "create", "--name", "x"},
        {                   "token",             "create", "extra"},
        {               "token",             "create", "--data-dir"},
        {          "apikey",            "create"},
        {               "apikey", "create", "--name", "x"},
        {                   "apikey",            "create", "--role", "viewer"},
        {      "apikey",                         "create", "--name", "x", "--role", "root"},
        { "apikey","create", "--name"},
        {                "apikey",                           "create", "--name", "x", "--role", "viewer", "--multi-use"},
        {              "user",          "reset-password"},
        {           "user",                      "reset-password", "a", "b"},
        {         "user",         "reset-password", "--multi-use"},
    };
    struct fixture *f = *state;
    _cleanup_free_ char *path = fixture_path(f, "dockmon.db");

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o;

        run(&o, f->dir, cases[i]);
        assert_int_equal(o.status, 2);
        assert_string_equal(o.out, "");
        assert_true(str_starts_with(o.err, "dockmond: "));
        assert_int_equal(access(path, F_OK), -1);
    }
}

static void test_help_exits_with_0(void **state)
{
    struct outcome o;

    (void)state;
    RUN(&o, "/nonexistent", "apikey", "create", "--help");
    assert_int_equal(o.status, 0);
    assert_non_null(strstr(o.out, "--role"));
    assert_true(admin_is_command("token") && admin_is_command("apikey") &&
                admin_is_command("user"));
    assert_false(admin_is_command("serve") || admin_is_command(NULL));
    assert_non_null(strstr(admin_help(), "reset-password"));
}

static void test_a_wrong_directory_gets_no_database(void **state)
{
    struct fixture *f = *state;
    _cleanup_free_ char *database = xasprintf("%s/dockmon.db", f->dir);
    static const char *const commands[][3] = {
        {"token",  "create",         "--multi-use"     },
        {"user",   "reset-password", "admin"           },
        {"backup", "--no-tls",       "/dev/null/backup"},
    };
    struct outcome o;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        RUN(&o, f->dir, commands[i][0], commands[i][1], commands[i][2]);
        assert_int_equal(o.status, 1);
        assert_string_equal(o.out, "");
        assert_non_null(strstr(o.err, "no database in"));
        assert_non_null(strstr(o.err, "is --data-dir right?"));
        assert_int_equal(access(database, F_OK), -1);
    }
}

#define PINNED                                                                         \
    "curl -sSk --pinnedpubkey 'sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAP8=' " \
    "-H 'Authorization: Bearer "
#define PLAIN "curl -sS -H 'Authorization: Bearer "

static void test_a_token_comes_with_the_line_that_joins_a_host(void **state)
{
    char key[] = "sha256:00000000000000000000000000000000000000000000000000000000000000ff";
    const struct {
        struct running running;
        const char *before, *after; /* the token in the line; NULL: none is printed */
    } cases[] = {
        {{.host = (char[]){"10.0.0.5"},
          .port = 8443,
          .is_tls = true,
          .fingerprint = key,
          .has_agent_files = true},
         PINNED, "' https://10.0.0.5:8443/install.sh | sh\n"  },
        {{.host = (char[]){"127.0.0.1"}, .port = 8001, .is_tls = false, .has_agent_files = true},
         PLAIN,  "' http://127.0.0.1:8001/install.sh | sh\n"  },
        {{.host = (char[]){"10.0.0.5"}, .port = 8001, .is_tls = false, .has_agent_files = true},
         NULL,   NULL                                         },
        {{.host = (char[]){"127.0.0.1"}, .port = 8001, .is_tls = false, .has_agent_files = false},
         NULL,   NULL                                         },
        {{.host = (char[]){"10.0.0.5"},
          .port = 8443,
          .is_tls = true,
          .fingerprint = key,
          .has_agent_files = true,
          .base_path = (char[]){"/x"}},
         PINNED, "' https://10.0.0.5:8443/x/install.sh | sh\n"},
        {{.host = (char[]){"127.0.0.1"},
          .port = 8001,
          .is_tls = false,
          .has_agent_files = true,
          .base_path = (char[]){"/y"},
          .public_url = (char[]){"https://dm.example/x"}},
         PLAIN,  "' https://dm.example/x/install.sh | sh\n"   },
 /* The name of the server itself, or of a proxy with another key. */
        {{.host = (char[]){"0.0.0.0"},
          .port = 8443,
          .is_tls = true,
          .fingerprint = key,
          .has_agent_files = true,
          .public_url = (char[]){"https://dm.example"}},
         PINNED, "' https://dm.example/install.sh | sh\n"     },
        {{.host = (char[]){"0.0.0.0"},
          .port = 8443,
          .is_tls = true,
          .fingerprint = key,
          .has_agent_files = true,
          .public_url = (char[]){"https://dm.example"},
          .has_proxies = true},
         PLAIN,  "' https://dm.example/install.sh | sh\n"     },
    };
    struct fixture *f = *state;
    struct outcome o;

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        _cleanup_free_ char *line = NULL;

        assert_int_equal(running_write(f->dir, &cases[i].running, NULL), 0);
        RUN(&o, f->dir, "token", "create");
        assert_int_equal(o.status, 0);
        assert_int_equal(strlen(o.out), 37);
        o.out[36] = '\0';
        if (cases[i].before) {
            line = xasprintf("%s%s%s", cases[i].before, o.out, cases[i].after);
            assert_non_null(strstr(o.err, line));
        } else {
            assert_null(strstr(o.err, "curl"));
        }
    }
    running_remove(f->dir);
    RUN(&o, f->dir, "token", "create");
    assert_non_null(strstr(o.err, "no server runs on"));
}

#define EMPTY(name) cmocka_unit_test_setup_teardown(name, fixture_setup_empty, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_tokens_are_printed),
        TEST(test_keys_are_printed),
        TEST(test_a_password_is_reset),
        TEST(test_commands_are_recorded_in_the_audit_log),
        EMPTY(test_wrong_usage_exits_with_2_and_changes_nothing),
        cmocka_unit_test(test_help_exits_with_0),
        EMPTY(test_a_wrong_directory_gets_no_database),
        TEST(test_a_token_comes_with_the_line_that_joins_a_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
