/* SIGINT and SIGTERM ask a program to finish its record or step and end with STATUS_INTERRUPTED; SIGPIPE is ignored (writes fail
 * with EPIPE). */
#ifndef BASE_SIGNALS_H
#define BASE_SIGNALS_H

#include <stdbool.h>

/* Install the handlers. System calls that block return EINTR, so that waiting ends too. */
void signals_init(void);

/* Whether the program was asked to end. */
bool interrupted(void);

#endif
