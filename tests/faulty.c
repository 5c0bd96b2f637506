/* A disk that fails: some calls that touch files below a folder end with an error. Preloaded by tests/test_faults.py. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum { WRITES = 1, READS = 2 };

static char folder[PATH_MAX], where[PATH_MAX + 64];
static long first, last;
static int code, kinds;
static atomic_long calls;

/* From now on the calls of some kinds are counted; those from `from` until before `until` fail with `with`. */
void fault_arm(const char *below, int of, long from, long until, int with) {
    snprintf(folder, sizeof folder, "%s/", below);
    where[0] = 0;
    calls = 0;
    first = from, last = until, code = with, kinds = of;
}

long fault_calls(void) { return calls; }

/* The first call that has failed and its file, or nothing. */
const char *fault_where(void) { return where; }

static int fails(int kind, const char *name, const char *path) {
    if (!(kinds & kind) || strncmp(path, folder, strlen(folder)))
        return 0;
    long call = atomic_fetch_add(&calls, 1);
    if (call < first || call >= last)
        return 0;
    if (!where[0])
        snprintf(where, sizeof where, "%s %s", name, path + strlen(folder));
    errno = code;
    return 1;
}

static int fails_at(int kind, const char *name, int file) {
    char link[64], path[PATH_MAX];
    if (!(kinds & kind))
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    int before = errno;
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0)
        return 0;
    path[length] = 0;
    return fails(kind, name, path);
}

/* A function of libc by another definition: its own failure, or what libc does. */
#define SHADOW(kind, result, name, test, parameters, ...)                          \
    result name parameters {                                                       \
        static result(*real) parameters;                                           \
        if (!real)                                                                 \
            real = (result(*) parameters)dlsym(RTLD_NEXT, #name);                  \
        return test ? -1 : real(__VA_ARGS__);                                      \
    }
#define ON_FILE(kind, result, name, parameters, ...) \
    SHADOW(kind, result, name, fails_at(kind, #name, f), parameters, __VA_ARGS__)
#define ON_PATH(result, name, parameters, ...) \
    SHADOW(WRITES, result, name, fails(WRITES, #name, p), parameters, __VA_ARGS__)

ON_FILE(WRITES, ssize_t, write, (int f, const void *b, size_t n), f, b, n)
ON_FILE(WRITES, ssize_t, pwrite, (int f, const void *b, size_t n, off_t o), f, b, n, o)
ON_FILE(WRITES, ssize_t, pwrite64, (int f, const void *b, size_t n, off_t o), f, b, n, o)
ON_FILE(WRITES, ssize_t, writev, (int f, const struct iovec *v, int n), f, v, n)
ON_FILE(WRITES, ssize_t, copy_file_range, (int g, off_t *a, int f, off_t *b, size_t n, unsigned s), g, a, f, b, n, s)
ON_FILE(WRITES, ssize_t, sendfile, (int f, int g, off_t *o, size_t n), f, g, o, n)
ON_FILE(WRITES, ssize_t, sendfile64, (int f, int g, off_t *o, size_t n), f, g, o, n)
ON_FILE(WRITES, int, ftruncate, (int f, off_t n), f, n)
ON_FILE(WRITES, int, ftruncate64, (int f, off_t n), f, n)
ON_FILE(WRITES, int, fsync, (int f), f)
ON_FILE(WRITES, int, fdatasync, (int f), f)
ON_PATH(int, rename, (const char *p, const char *q), p, q)
ON_PATH(int, unlink, (const char *p), p)
ON_PATH(int, mkdir, (const char *p, mode_t m), p, m)
ON_FILE(READS, ssize_t, read, (int f, void *b, size_t n), f, b, n)
ON_FILE(READS, ssize_t, pread, (int f, void *b, size_t n, off_t o), f, b, n, o)
ON_FILE(READS, ssize_t, pread64, (int f, void *b, size_t n, off_t o), f, b, n, o)
ON_FILE(READS, ssize_t, readv, (int f, const struct iovec *v, int n), f, v, n)

static int modes(int flags, va_list rest) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, int) : 0; }

#define OPENING(name)                                                              \
    int name(const char *path, int flags, ...) {                                   \
        static int (*real)(const char *, int, ...);                                \
        if (!real)                                                                 \
            real = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);       \
        va_list rest;                                                              \
        va_start(rest, flags);                                                     \
        int mode = modes(flags, rest);                                             \
        va_end(rest);                                                              \
        return flags & O_CREAT && fails(WRITES, #name, path) ? -1 : real(path, flags, mode); \
    }

OPENING(open)
OPENING(open64)
