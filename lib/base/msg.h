/*
 * Messages and exit statuses: how every program of the suite speaks and ends.
 *
 * All text goes to stderr as "vlrm-x: text". A format that ends in ':' has ": <strerror(errno)>" appended,
 * so die("open %s:", path) says why. die() is for the user's and the environment's faults, bug() for ours.
 */
#ifndef BASE_MSG_H
#define BASE_MSG_H

#include <stdarg.h>
#include <stdbool.h>

/* Exit statuses, the same in every program (doc/vlrm.7). */
enum {
    STATUS_CLEAN = 0,
    STATUS_FAILURE = 1,      /* anything not named below */
    STATUS_USAGE = 2,        /* options or operands are wrong */
    STATUS_SOME_FAILED = 3,  /* finished, but some records failed */
    STATUS_EMPTY = 4,        /* empty input where input was required */
    STATUS_CORRUPT = 5,      /* input truncated or corrupt, or upstream failed */
    STATUS_MISMATCH = 6,     /* schema, tokenizer, model digest, stale policy */
    STATUS_CHECK = 7,        /* a check failed */
    STATUS_MEMORY = 8,       /* out of memory */
    STATUS_INTERRUPTED = 75, /* interrupted after a good checkpoint */
    STATUS_CLOSED = 141,     /* whoever read the output is gone (EPIPE): what a shell shows of a program that SIGPIPE ended */
};

extern const char *progname; /* set once, first thing in main */
extern int verbosity;        /* 0 unless -v */

#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

/* Before a function whose result says that it failed: who drops it is warned. */
#define MUST_USE __attribute__((warn_unused_result))

/* Print and go on. */
void warn(const char *format, ...) PRINTF_LIKE(1, 2);

/* Print only with -v. */
void note(const char *format, ...) PRINTF_LIKE(1, 2);

/* Print and end with STATUS_FAILURE, or with the given status: at once, from any thread, without the ends of libraries (atexit).
 * Where the reason appended is ENOMEM, STATUS_FAILURE becomes STATUS_MEMORY, where it is EPIPE STATUS_CLOSED; so does
 * error_set's. That a reader is gone is nobody's fault: with STATUS_CLOSED nothing is printed. */
_Noreturn void die(const char *format, ...) PRINTF_LIKE(1, 2);
_Noreturn void die_status(int status, const char *format, ...) PRINTF_LIKE(2, 3);

/* What die calls last, in its thread: it runs nothing that atexit was given. One function a program. */
void at_die(void (*last)(void));

/* A programmer's fault: print file and line and abort. */
#define bug(...) bug_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void bug_at(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);

/* The text of one failure, handed up to whoever can name the file or record. Empty when nothing failed. */
typedef struct Error {
    char text[1024];
    int status; /* the exit status it asks for; STATUS_FAILURE unless set */
} Error;

/* Sets err (first failure wins, later ones are dropped) and returns false, so: return error_set(err, "..."). */
bool error_set(Error *err, const char *format, ...) PRINTF_LIKE(2, 3);
bool error_set_status(Error *err, int status, const char *format, ...) PRINTF_LIKE(3, 4);

/* Print the text of a failure, unless it is STATUS_CLOSED. */
void error_warn(const Error *err);

/* Prefix the text of a failure with where it happened ("FILE: text"); returns false. */
bool error_prefix(Error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Close stdout and report that a write to it failed, now or before (a full disk): then STATUS_FAILURE in place of STATUS_CLEAN
 * and STATUS_SOME_FAILED, else status. Where its reader is gone nothing is said, and it is STATUS_CLOSED in place of any status
 * that is no failure. Every program that prints ends with it. */
int finish_stdout(int status);

#endif
