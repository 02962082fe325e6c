#include "agent/config/data_dir.h"
#include "base/alloc.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

static const char advice[] =
    "make it writable for the agent, or set DATA_PATH to a writable directory";

int data_dir_prepare(const char *path, struct error *err)
{
    _cleanup_free_ char *probe = xasprintf("%s/.writable.%d", path, (int)getpid());
    _cleanup_close_ int fd = -1;

    int r = file_make_directory(path);

    if (r < 0)
        return error_set(err, r, "cannot create it: %s; %s", error_text(r), advice);
    fd = open(probe, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(err, -errno, "cannot write to it: %s; %s", error_text(-errno), advice);
    (void)unlink(probe); /* nothing depends on it */
    return 0;
}
