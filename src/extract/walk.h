/*
 * Where the videos and images come from, by name: operands, the lines of a list, folders, a Karpathy file. Folders give regular
 * files and links to them; a FIFO, device or socket in one is skipped, with a message. Nothing but folders and lists is read
 * here.
 */
#ifndef EXTRACT_WALK_H
#define EXTRACT_WALK_H

#include "extract/settings.h"
#include "extract/source.h"

typedef struct Walk Walk;

/* Opens --list; dies when that fails. The operands are borrowed. */
Walk *walk_new(const SourceSettings *s, char **operands, int n);
void walk_free(Walk *w);

/*
 * The next source in order, or an archive of them: out->name, label, problem, references, and what place_open needs. False when
 * there are no more, and, while it waits for a line of the list, when nobody reads at the other end of the socket `hangup`.
 */
bool walk_next(Walk *w, int hangup, Source *out);

/* Begins again with the first operand (--loop); a list is not read again. */
void walk_again(Walk *w);

#endif
