#include "server/download/agent_release.h"
#include "base/alloc.h"
#include "base/str.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define MINIMUM "0.1.0" /* the oldest version that can be replaced; script/release has it, too */

void agent_release_done(struct agent_release *r)
{
    free(r->text);
    *r = (struct agent_release){0};
}

static int read_text(const struct agent_file *f, char **ret, struct error *err)
{
    _cleanup_free_ char *text = xcalloc(1, RELEASE_MAX + 1);
    ssize_t n = pread(f->fd, text, RELEASE_MAX, 0);
    int r = n < 0 ? -errno : 0;

    if (r < 0)
        return error_set(err, r, "read %s: %s", f->name, error_text(r));
    *ret = TAKE_PTR(text);
    return 0;
}

static int check_text(const struct agent_file *description,
                      const char *platform,
                      struct agent_release *r,
                      struct error *err)
{
    struct error why = ERROR_INIT;
    bool is_signed = false;

    if (release_parse(r->text, &r->release, &is_signed, &why) < 0)
        return error_set(err, -EBADMSG, "%s: %s", description->name, why.msg);
    if (!is_signed)
        return error_set(err, -EBADMSG, "%s: it is not signed", description->name);
    if (!str_eq(r->release.sha256, r->file->sha256) || !str_eq(r->release.platform, platform)) {
        return error_set(err, -EBADMSG,
                         "%s describes another program than %s: restore both from the release, or "
                         "remove the description to sign with this server's key",
                         description->name, r->file->name);
    }
    return 0;
}

static void sign(const struct release_key *key, const char *platform, struct agent_release *r)
{
    str_copy(r->release.version, sizeof(r->release.version), DOCKMON_VERSION);
    str_copy(r->release.platform, sizeof(r->release.platform), platform);
    str_copy(r->release.sha256, sizeof(r->release.sha256), r->file->sha256);
    str_copy(r->release.minimum, sizeof(r->release.minimum), MINIMUM);
    r->text = release_sign(&r->release, key->secret);
}

int agent_release_find(const struct agent_files *files,
                       const struct release_key *key,
                       const char *platform,
                       struct agent_release *ret,
                       struct error *err)
{
    _cleanup_free_ char *name = xasprintf("%s" AGENT_RELEASE_SUFFIX, platform);
    const struct agent_file *description = agent_files_find(files, AGENT_FILE_PROGRAM, name);
    struct agent_release r = {.file = agent_files_find(files, AGENT_FILE_PROGRAM, platform)};
    int code = 0;

    if (!r.file) {
        return error_set(err, -ENOENT,
                         "this server has no agent for %s; see --agent-dir in dockmond --help",
                         platform);
    }
    if (description) {
        code = read_text(description, &r.text, err);
        if (code == 0)
            code = check_text(description, platform, &r, err);
    } else {
        sign(key, platform, &r);
    }
    if (code < 0) {
        agent_release_done(&r);
        return code;
    }
    *ret = r;
    return 0;
}
