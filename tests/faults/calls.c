/* Counts the calls with which a program reaches files and processes, and has one of them fail, or end the program.
 *
 * Linked into the tests' executables alone (tests/build.rs): what is defined here comes before what the C library has, so
 * the standard library's calls, nix's and those of C dependencies are counted alike, without a word in the code that makes
 * them. The environment decides, for the process that it was given to and not for its children:
 *
 *   HANDOVER_CALLS=<file>        appends a line per call: number, name, what may become of it, path
 *   HANDOVER_CALL=<n>            something becomes of call n, or of the first one after it to which that can happen
 *   HANDOVER_CALL_ACTION=<what>  kill: the process is killed before the call. kill-group: its group is.
 *                                short: less is written, or read, than was asked for.
 *                                ENOSPC, EIO, EINTR, EAGAIN, EMFILE: the call fails so, and does nothing.
 *   HANDOVER_CALL_HIT=<file>     appends the line of that call
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* What may become of a call. */
enum {
    CHANGES = 1, /* a kill before it leaves another state than one after it */
    SPACE = 2,
    IO = 4,
    INTR = 8,
    SHORT = 16,
    AGAIN = 32,
    MANY = 64,
};

static struct {
    pid_t process;
    int list, hit;
    unsigned long wanted;
    enum { NOTHING, KILL, KILL_GROUP, SHORTEN, FAIL } action;
    int error;
    unsigned needs;
    atomic_ulong count;
    atomic_bool done;
} state = {.list = -1, .hit = -1};

static int appended(const char *variable) {
    const char *path = getenv(variable);
    int file = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (file < 0) return -1;
    /* Out of the way: programs count on low numbers for their own. */
    int high = (int)syscall(SYS_fcntl, file, F_DUPFD_CLOEXEC, 900);
    syscall(SYS_close, file);
    return high;
}

__attribute__((constructor)) static void begin(void) {
    static const struct { const char *name; int action, error; unsigned needs; } actions[] = {
        {"kill", KILL, 0, CHANGES},       {"kill-group", KILL_GROUP, 0, CHANGES}, {"short", SHORTEN, 0, SHORT},
        {"ENOSPC", FAIL, ENOSPC, SPACE},  {"EIO", FAIL, EIO, IO},                 {"EINTR", FAIL, EINTR, INTR},
        {"EAGAIN", FAIL, EAGAIN, AGAIN},  {"EMFILE", FAIL, EMFILE, MANY},
    };
    const char *wanted = getenv("HANDOVER_CALL"), *action = getenv("HANDOVER_CALL_ACTION");
    state.list = appended("HANDOVER_CALLS");
    state.hit = appended("HANDOVER_CALL_HIT");
    if (wanted && action) {
        state.wanted = strtoul(wanted, NULL, 10);
        for (size_t n = 0; n < sizeof actions / sizeof *actions; n++)
            if (!strcmp(actions[n].name, action)) {
                state.action = actions[n].action;
                state.error = actions[n].error;
                state.needs = actions[n].needs;
            }
    }
    if (state.list >= 0 || state.action) state.process = (pid_t)syscall(SYS_getpid);
    unsetenv("HANDOVER_CALLS");
    unsetenv("HANDOVER_CALL");
    unsetenv("HANDOVER_CALL_ACTION");
    unsetenv("HANDOVER_CALL_HIT");
}

static void note(int file, unsigned long number, const char *name, unsigned may, const char *path, int fd) {
    char line[4600], of_fd[64], target[4097];
    if (!path && fd >= 0) {
        snprintf(of_fd, sizeof of_fd, "/proc/self/fd/%d", fd);
        long length = syscall(SYS_readlinkat, AT_FDCWD, of_fd, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        path = target;
    }
    int length = snprintf(line, sizeof line, "%lu %s %s%s%s%s%s%s%s- %s\n", number, name, may & CHANGES ? "kill," : "",
                          may & SPACE ? "ENOSPC," : "", may & IO ? "EIO," : "", may & INTR ? "EINTR," : "",
                          may & SHORT ? "short," : "", may & AGAIN ? "EAGAIN," : "", may & MANY ? "EMFILE," : "", path ? path : "");
    syscall(SYS_write, file, line, length);
}

/* Whether the call is to fail; then errno is set. `length`: how much it is asked for. */
static int faulty(const char *name, unsigned may, const char *path, int fd, size_t *length) {
    if (!state.process || state.process != (pid_t)syscall(SYS_getpid)) return 0;
    int before = errno;
    if (length && *length < 2) may &= ~(unsigned)SHORT;
    unsigned long number = atomic_fetch_add(&state.count, 1) + 1;
    if (state.list >= 0) note(state.list, number, name, may, path, fd);
    if (state.action && number >= state.wanted && (may & state.needs) && !atomic_exchange(&state.done, 1)) {
        if (state.hit >= 0) note(state.hit, number, name, may, path, fd);
        switch (state.action) {
        case KILL: syscall(SYS_kill, state.process, SIGKILL); break;
        case KILL_GROUP: syscall(SYS_kill, 0, SIGKILL); break;
        case SHORTEN: *length = *length / 2; break;
        case FAIL: errno = state.error; return 1;
        case NOTHING: break;
        }
    }
    errno = before;
    return 0;
}

/* The function that is behind this one. */
#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

/* A function that answers -1 (or what `failed` says) with errno. */
#define CALL(type, name, parameters, arguments, may, path, fd, failed) \
    type name parameters { \
        NEXT(name); \
        return faulty(#name, may, path, fd, NULL) ? failed : next arguments; \
    }

/* The same, of which a part may be done. */
#define PART(type, name, parameters, arguments, length, may, fd) \
    type name parameters { \
        NEXT(name); \
        return faulty(#name, may, NULL, fd, &length) ? -1 : next arguments; \
    }

#define OPEN(name, leading, directory, ...) \
    int name(leading const char *path, int flags, ...) { \
        NEXT(name); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { \
            va_list rest; \
            va_start(rest, flags); \
            mode = va_arg(rest, mode_t); \
            va_end(rest); \
        } \
        unsigned may = IO | INTR | MANY | (flags & O_CREAT ? CHANGES | SPACE : 0) | (flags & O_TRUNC ? CHANGES : 0); \
        return faulty(#name, may, path, -1, NULL) ? -1 : next(__VA_ARGS__); \
    }
#define AT int at,
OPEN(open, , , path, flags, mode)
OPEN(open64, , , path, flags, mode)
OPEN(openat, AT, at, at, path, flags, mode)
OPEN(openat64, AT, at, at, path, flags, mode)

PART(ssize_t, read, (int fd, void *to, size_t length), (fd, to, length), length, IO | INTR | SHORT, fd)
PART(ssize_t, pread64, (int fd, void *to, size_t length, off64_t at), (fd, to, length, at), length, IO | INTR | SHORT, fd)
PART(ssize_t, write, (int fd, const void *from, size_t length), (fd, from, length), length, CHANGES | SPACE | IO | INTR | SHORT, fd)
PART(ssize_t, pwrite64, (int fd, const void *from, size_t length, off64_t at), (fd, from, length, at), length,
     CHANGES | SPACE | IO | INTR | SHORT, fd)
PART(ssize_t, copy_file_range, (int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags),
     (from, from_at, to, to_at, length, flags), length, CHANGES | SPACE | IO | INTR | SHORT, to)
PART(ssize_t, sendfile64, (int to, int from, off64_t *at, size_t length), (to, from, at, length), length,
     CHANGES | SPACE | IO | INTR | SHORT, to)
PART(ssize_t, splice, (int from, off64_t *from_at, int to, off64_t *to_at, size_t length, unsigned flags),
     (from, from_at, to, to_at, length, flags), length, CHANGES | SPACE | IO | INTR | SHORT, to)
CALL(ssize_t, writev, (int fd, const struct iovec *from, int count), (fd, from, count), CHANGES | SPACE | IO | INTR, NULL, fd, -1)

CALL(int, fsync, (int fd), (fd), CHANGES | SPACE | IO | INTR, NULL, fd, -1)
CALL(int, fdatasync, (int fd), (fd), CHANGES | SPACE | IO | INTR, NULL, fd, -1)
CALL(int, syncfs, (int fd), (fd), CHANGES | SPACE | IO, NULL, fd, -1)
CALL(int, ftruncate64, (int fd, off64_t length), (fd, length), CHANGES | SPACE | IO | INTR, NULL, fd, -1)
CALL(off64_t, lseek64, (int fd, off64_t at, int from), (fd, at, from), IO, NULL, fd, -1)

CALL(int, rename, (const char *from, const char *to), (from, to), CHANGES | SPACE | IO, to, -1, -1)
CALL(int, renameat, (int of, const char *from, int at, const char *to), (of, from, at, to), CHANGES | SPACE | IO, to, -1, -1)
CALL(int, unlink, (const char *path), (path), CHANGES | IO, path, -1, -1)
CALL(int, unlinkat, (int at, const char *path, int flags), (at, path, flags), CHANGES | IO, path, -1, -1)
CALL(int, mkdir, (const char *path, mode_t mode), (path, mode), CHANGES | SPACE | IO, path, -1, -1)
CALL(int, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode), CHANGES | SPACE | IO, path, -1, -1)
CALL(int, linkat, (int of, const char *from, int at, const char *to, int flags), (of, from, at, to, flags), CHANGES | SPACE | IO, to,
     -1, -1)
CALL(int, symlinkat, (const char *target, int at, const char *path), (target, at, path), CHANGES | SPACE | IO, path, -1, -1)
CALL(int, mknodat, (int at, const char *path, mode_t mode, dev_t device), (at, path, mode, device), CHANGES | SPACE | IO, path, -1, -1)
CALL(ssize_t, readlink, (const char *path, char *to, size_t length), (path, to, length), IO, path, -1, -1)
CALL(ssize_t, readlinkat, (int at, const char *path, char *to, size_t length), (at, path, to, length), IO, path, -1, -1)

CALL(int, stat64, (const char *path, struct stat64 *to), (path, to), IO, path, -1, -1)
CALL(int, lstat64, (const char *path, struct stat64 *to), (path, to), IO, path, -1, -1)
CALL(int, fstat64, (int fd, struct stat64 *to), (fd, to), IO, NULL, fd, -1)
CALL(int, fstatat64, (int at, const char *path, struct stat64 *to, int flags), (at, path, to, flags), IO, path, -1, -1)
CALL(int, statx, (int at, const char *path, int flags, unsigned mask, struct statx *to), (at, path, flags, mask, to), IO, path, at, -1)
CALL(int, statfs64, (const char *path, struct statfs64 *to), (path, to), IO | INTR, path, -1, -1)
CALL(int, statvfs, (const char *path, struct statvfs *to), (path, to), IO | INTR, path, -1, -1)
CALL(int, access, (const char *path, int mode), (path, mode), IO, path, -1, -1)
CALL(DIR *, opendir, (const char *path), (path), IO | MANY, path, -1, NULL)
CALL(DIR *, fdopendir, (int fd), (fd), IO, NULL, fd, NULL)
CALL(struct dirent64 *, readdir64, (DIR * of), (of), IO, NULL, dirfd(of), NULL)

CALL(int, chmod, (const char *path, mode_t mode), (path, mode), CHANGES | IO, path, -1, -1)
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode), CHANGES | IO, NULL, fd, -1)
CALL(int, fchmodat, (int at, const char *path, mode_t mode, int flags), (at, path, mode, flags), CHANGES | IO, path, -1, -1)
CALL(int, chown, (const char *path, uid_t user, gid_t group), (path, user, group), CHANGES | IO, path, -1, -1)
CALL(int, lchown, (const char *path, uid_t user, gid_t group), (path, user, group), CHANGES | IO, path, -1, -1)
CALL(int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), CHANGES | IO, NULL, fd, -1)
CALL(int, fchownat, (int at, const char *path, uid_t user, gid_t group, int flags), (at, path, user, group, flags), CHANGES | IO, path,
     -1, -1)
CALL(int, futimens, (int fd, const struct timespec times[2]), (fd, times), CHANGES | IO, NULL, fd, -1)
CALL(int, utimensat, (int at, const char *path, const struct timespec times[2], int flags), (at, path, times, flags), CHANGES | IO,
     path, at, -1)
CALL(ssize_t, getxattr, (const char *path, const char *name, void *to, size_t length), (path, name, to, length), IO, path, -1, -1)
CALL(ssize_t, lgetxattr, (const char *path, const char *name, void *to, size_t length), (path, name, to, length), IO, path, -1, -1)
CALL(ssize_t, fgetxattr, (int fd, const char *name, void *to, size_t length), (fd, name, to, length), IO, NULL, fd, -1)
CALL(ssize_t, listxattr, (const char *path, char *to, size_t length), (path, to, length), IO, path, -1, -1)
CALL(ssize_t, llistxattr, (const char *path, char *to, size_t length), (path, to, length), IO, path, -1, -1)
CALL(ssize_t, flistxattr, (int fd, char *to, size_t length), (fd, to, length), IO, NULL, fd, -1)
CALL(int, setxattr, (const char *path, const char *name, const void *from, size_t length, int flags), (path, name, from, length, flags),
     CHANGES | SPACE | IO, path, -1, -1)
CALL(int, lsetxattr, (const char *path, const char *name, const void *from, size_t length, int flags), (path, name, from, length, flags),
     CHANGES | SPACE | IO, path, -1, -1)
CALL(int, fsetxattr, (int fd, const char *name, const void *from, size_t length, int flags), (fd, name, from, length, flags),
     CHANGES | SPACE | IO, NULL, fd, -1)
CALL(int, flock, (int fd, int how), (fd, how), INTR | CHANGES, NULL, fd, -1)

CALL(pid_t, fork, (void), (), CHANGES | AGAIN, NULL, -1, -1)
CALL(pid_t, waitpid, (pid_t of, int *to, int flags), (of, to, flags), INTR | CHANGES, NULL, -1, -1)
CALL(int, waitid, (idtype_t type, id_t of, siginfo_t *to, int flags), (type, of, to, flags), INTR | CHANGES, NULL, -1, -1)
CALL(int, kill, (pid_t of, int number), (of, number), CHANGES, NULL, -1, -1)
CALL(int, killpg, (pid_t of, int number), (of, number), CHANGES, NULL, -1, -1)
CALL(int, pipe2, (int ends[2], int flags), (ends, flags), MANY, NULL, -1, -1)
CALL(int, socketpair, (int domain, int type, int protocol, int ends[2]), (domain, type, protocol, ends), MANY, NULL, -1, -1)
CALL(int, poll, (struct pollfd * of, nfds_t count, int limit), (of, count, limit), INTR, NULL, -1, -1)

/* This answers the error itself. */
int posix_spawnp(pid_t *to, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *how,
                 char *const words[], char *const env[]) {
    NEXT(posix_spawnp);
    return faulty("posix_spawnp", CHANGES | AGAIN, path, -1, NULL) ? errno : next(to, path, actions, how, words, env);
}
int fcntl(int fd, int what, ...) {
    NEXT(fcntl);
    va_list rest;
    va_start(rest, what);
    void *with = va_arg(rest, void *);
    va_end(rest);
    return faulty("fcntl", MANY, NULL, fd, NULL) ? -1 : next(fd, what, with);
}

/* What has no function of its own everywhere. */
long syscall(long number, ...) {
    NEXT(syscall);
    long a[6];
    va_list rest;
    va_start(rest, number);
    for (int n = 0; n < 6; n++) a[n] = va_arg(rest, long);
    va_end(rest);
    if (number == SYS_renameat2 && faulty("renameat2", CHANGES | SPACE | IO, (const char *)a[3], -1, NULL)) return -1;
    return next(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
