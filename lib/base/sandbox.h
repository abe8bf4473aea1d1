/*
 * What a program may still ask of the kernel while it decodes what strangers made: a bug in a decoder that somebody exploits
 * should find no network, no other program to run and no file but those that the program is about; sealed, none at all that is
 * not open already.
 *
 * By seccomp, and by Landlock where the kernel has it (5.13). Neither can be taken back. Refused calls fail with EPERM (Landlock:
 * EACCES), so that what a library asks for out of habit (processors, character sets) is missed and no more. Where the kernel has
 * less, the program runs with less, and says so with --verbose. Under the address sanitizer, whose leak checker starts and traces
 * processes, nothing is confined.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>

typedef enum Sandbox { SANDBOX_AUTO, SANDBOX_OFF } Sandbox;

/* The row of an option table; mode: the Sandbox. */
#define SANDBOX_OPTION(mode) OPT_ENUM("sandbox", 0, &(mode), "auto", "auto|off", SANDBOX_HELP, .may_change = true)
#define SANDBOX_HELP "forbid what decodes the network, other programs and files that it does not need; auto: where the kernel can"

/*
 * All threads, those that run already too: no sockets, no other program, no new process, no other process's memory. Files are
 * opened as before. Whether all of it is in force; with SANDBOX_OFF nothing is done.
 */
bool sandbox_confine(Sandbox mode);

/* The files that a program is about: names (borrowed; NULL ones are skipped), as they are when the sandbox is entered. */
typedef struct SandboxFiles {
    const char *const *read; /* what alone is read; NULL: any file may be */
    size_t n_read;
    const char *const *write; /* what is written: all below it where it is a folder, else what lies beside it, too */
    size_t n_write;           /* 0: no file is made or changed */
} SandboxFiles;

/*
 * Confined, and moreover no file is read, made, changed or removed but these; what is open stays so. Where something is to be
 * made in folders that are not there yet, the nearest one that is counts. Reading as said, and writing in some folders alone,
 * need Landlock: seccomp forbids writing as a whole or not at all. For this thread and those that it starts: call it while there
 * is one. Whether all of it is in force.
 */
bool sandbox_enclose(Sandbox mode, const SandboxFiles *files);

/*
 * Moreover no file is opened, made, renamed or removed; what is open stays so. For this thread and those that it starts: call it
 * while there is one. Whether all of it is in force.
 */
bool sandbox_seal(Sandbox mode);

#endif
