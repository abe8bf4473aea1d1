/* Files of JSON lines, one object each: metrics, and what vlrm-eval says of each caption. */
#ifndef PAGES_LINES_JSON_H
#define PAGES_LINES_JSON_H

#include <jansson.h>

#include "base/base.h"

/* Given each object in turn; it is borrowed. False ends the reading, which is no failure. */
typedef bool LineEach(void *context, json_t *line);

/*
 * Calls each for every line. The last line may be cut: whoever writes the file may be at it still. Any other line that is no
 * object is an error with STATUS_CORRUPT, which names it.
 */
MUST_USE bool json_lines_each(const char *path, LineEach *each, void *context, Error *err);

#endif
