#include "server/auth/first_user.h"
#include "base/alloc.h"
#include "base/file.h"
#include "base/log.h"
#include "base/time.h"
#include "server/auth/password.h"
#include "server/store/secret.h"
#include "server/store/users.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define MAX_FILE 256

static int insert_if_none(struct db *s, void *arg, struct error *err)
{
    const struct user *u = arg;
    int64_t n, id;
    int r;

    r = users_count(s, &n, err);
    if (r < 0 || n > 0)
        return r;
    return users_insert(s, u, &id, err);
}

int first_user_ensure(struct db *s, const char *data_dir, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" FIRST_USER_FILE, data_dir);
    _cleanup_free_ char *line = NULL;
    _cleanup_(secret_freep) char *password = NULL;
    char hash[PASSWORD_HASH_SIZE], name[] = FIRST_USER_NAME;
    struct user user = {
        .name = name,
        .password_hash = hash,
        .role = ROLE_ADMIN,
        .must_change_password = true,
        .created_at_ms = time_utc_ms(),
    };
    int64_t n;
    int r;

    r = users_count(s, &n, err);
    if (r < 0 || n > 0)
        return r;

    password = password_random();
    line = xasprintf("%s\n", password);
    user.updated_at_ms = user.created_at_ms;
    r = password_hash(password, hash, err);
    /* The file is written first: a crash in between must not leave a user with an unknown
     * password. */
    if (r == 0)
        r = file_write_atomic(path, line, strlen(line), 0600, err);
    if (r == 0)
        r = db_tx(s, insert_if_none, &user, err);
    if (r == 0)
        log_info(NULL, "first start: user " FIRST_USER_NAME ", password in %s", path);
    return r;
}

int first_user_forget_stale(struct db *s, const char *data_dir, struct error *err)
{
    _cleanup_free_ char *path = xasprintf("%s/" FIRST_USER_FILE, data_dir);
    _cleanup_(secret_freep) char *password = NULL;
    _cleanup_(user_done) struct user user = {0};
    size_t size;
    int r;

    r = file_read(path, MAX_FILE, &password, &size, err);
    if (r == -ENOENT)
        return 0;
    if (r == 0) {
        password[strcspn(password, "\n")] = '\0';
        r = users_get_by_name(s, FIRST_USER_NAME, &user, err);
    }
    if (r < 0 && r != -ENOENT)
        return r;
    if (r == 0 && password_verify(password, user.password_hash))
        return 0;
    if (unlink(path) < 0)
        return error_set(err, -errno, "remove %s: %s", path, error_text(-errno));
    return 0;
}
