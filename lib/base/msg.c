/* Messages and exit statuses; see msg.h. */
#include "base/msg.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *progname = "vlrm";
int verbosity = 0;

/* One write per message, so that the stages of a pipeline do not mix their lines. */
static void print(const char *format, va_list args)
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
    line[n++] = '\n';
    fwrite(line, 1, (size_t)n, stderr);
}

void warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(format, args);
    va_end(args);
}

void note(const char *format, ...)
{
    if (verbosity < 1)
        return;
    va_list args;
    va_start(args, format);
    print(format, args);
    va_end(args);
}

void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(format, args);
    va_end(args);
    exit(STATUS_FAILURE);
}

void die_status(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(format, args);
    va_end(args);
    exit(status);
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
    err->status = status;
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

int finish_stdout(int status)
{
    if (fclose(stdout) != 0 && status == STATUS_CLEAN) {
        warn("write <stdout>:");
        return STATUS_FAILURE;
    }
    return status;
}
