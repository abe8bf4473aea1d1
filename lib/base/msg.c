/* Messages and exit statuses; see msg.h. */
#include "base/msg.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/progress.h"

const char *progname = "vlrm";
int verbosity = 0;

/* One write per message, so that the stages of a pipeline do not mix their lines. published: it is no mere note. */
static void print(bool published, const char *format, va_list args)
{
    int saved = errno;
    char line[4096];
    int n = snprintf(line, sizeof line - 2, "%s: ", progname);
    int m = vsnprintf(line + n, sizeof line - 2 - (size_t)n, format, args);
    n = m < 0 ? n : n + m;
    if (n > (int)sizeof line - 3)
        n = (int)sizeof line - 3;
    size_t f = strlen(format);
    if (f > 0 && format[f - 1] == ':') {
        m = snprintf(line + n, sizeof line - 2 - (size_t)n, " %s", strerror(saved));
        n = n + m > (int)sizeof line - 3 ? (int)sizeof line - 3 : n + m;
    }
    for (int i = 0; i < n; i++) /* what a file brought in writes nothing but text to the terminal */
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[n] = '\0';
    if (published)
        progress_warning(line + strlen(progname) + 2);
    progress_hide();
    line[n++] = '\n';
    fwrite(line, 1, (size_t)n, stderr);
}

void warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(true, format, args);
    va_end(args);
}

void note(const char *format, ...)
{
    if (verbosity < 1)
        return;
    va_list args;
    va_start(args, format);
    print(false, format, args);
    va_end(args);
}

static void (*last_call)(void);

void at_die(void (*last)(void))
{
    last_call = last;
}

/*
 * Ends at once, whatever other threads and libraries are about: exit would run the libraries' own ends, some of which wait for
 * threads that may never come (one that spins for memory), and would free what a thread still uses. What was printed goes out,
 * unless somebody is in the middle of printing.
 */
static _Noreturn void leave(int status)
{
    if (ftrylockfile(stdout) == 0)
        fflush(stdout);
    if (last_call)
        last_call();
    _exit(status);
}

/* What a failure comes to that says why (the format ends in a colon). */
static int failure_status(const char *format, int why)
{
    size_t n = strlen(format);
    bool says = n > 0 && format[n - 1] == ':';
    return says && why == ENOMEM ? STATUS_MEMORY : says && why == EPIPE ? STATUS_CLOSED : STATUS_FAILURE;
}

void die(const char *format, ...)
{
    int status = failure_status(format, errno);
    va_list args;
    va_start(args, format);
    if (status != STATUS_CLOSED)
        print(true, format, args);
    va_end(args);
    leave(status);
}

void die_status(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (status != STATUS_CLOSED)
        print(true, format, args);
    va_end(args);
    leave(status);
}

void bug_at(const char *file, int line, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: bug at %s:%d: ", progname, file, line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static void error_text(Error *err, int status, const char *format, va_list args)
{
    int saved = errno;
    int n = vsnprintf(err->text, sizeof err->text, format, args);
    size_t f = strlen(format);
    if (n >= 0 && n < (int)sizeof err->text && f > 0 && format[f - 1] == ':')
        snprintf(err->text + n, sizeof err->text - (size_t)n, " %s", strerror(saved));
    err->status = status == STATUS_FAILURE ? failure_status(format, saved) : status;
}

bool error_set(Error *err, const char *format, ...)
{
    if (err->text[0])
        return false;
    va_list args;
    va_start(args, format);
    error_text(err, STATUS_FAILURE, format, args);
    va_end(args);
    return false;
}

bool error_set_status(Error *err, int status, const char *format, ...)
{
    if (err->text[0])
        return false;
    va_list args;
    va_start(args, format);
    error_text(err, status, format, args);
    va_end(args);
    return false;
}

void error_warn(const Error *err)
{
    if (err->status != STATUS_CLOSED)
        warn("%s", err->text);
}

bool error_prefix(Error *err, const char *format, ...)
{
    char where[400], text[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(where, sizeof where, format, args);
    va_end(args);
    memcpy(text, err->text, sizeof text);
    int n = snprintf(err->text, sizeof err->text, "%s: ", where);
    snprintf(err->text + n, sizeof err->text - (size_t)n, "%.*s", (int)(sizeof err->text - (size_t)n - 1), text);
    return false;
}

/* Whether stdout is a pipe that nobody reads any more. */
static bool reader_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

int finish_stdout(int status)
{
    bool gone = reader_gone(), lost = ferror(stdout), closed = fclose(stdout) == 0;
    bool fault = status == STATUS_FAILURE || status == STATUS_USAGE || status == STATUS_CORRUPT || status == STATUS_MISMATCH ||
                 status == STATUS_MEMORY;
    if (gone && (lost || !closed))
        return fault ? status : STATUS_CLOSED;
    if (!closed)
        warn("write <stdout>:");
    else if (lost) /* the reason went with the write that failed */
        warn("write <stdout>: a write failed, what was printed is not whole");
    bool good = status == STATUS_CLEAN || status == STATUS_SOME_FAILED;
    return good && (lost || !closed) ? STATUS_FAILURE : status;
}
