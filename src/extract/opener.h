/*
 * The one process that finds and opens sources, so that the one that decodes them can be sealed (base/sandbox.h) and still read
 * corpora whose names nobody knows beforehand. It walks (walk.h), and hands names and open files over a socket. It opens what the
 * walk named and nothing else: whoever took over the decoding process could ask for no other file.
 */
#ifndef EXTRACT_OPENER_H
#define EXTRACT_OPENER_H

#include "extract/settings.h"
#include "extract/source.h"

typedef struct Opener Opener;

/* Starts the process; dies when --list cannot be opened. Call it before anything is opened that a second process should not hold,
 * and before there are threads. */
Opener *opener_new(const SourceSettings *s, char **operands, int n);
void opener_free(Opener *o);

/* The next source or archive, by name: *out with its place, not opened. False at the end of a pass or when asked to end. */
bool opener_next(Opener *o, Source *out);

/* The next opener_next gives the first source again. */
void opener_again(Opener *o);

/*
 * Opens the source last named (with --shuffle: any that was): source->fd, and source->spare for what is no regular file; or
 * source->problem says why not. False when asked to end.
 */
bool opener_open(Opener *o, Source *source);

/* Opens source->path (NULL: stdin) in this process, as opener_open has it done in the other. */
void source_open(Source *source);

#endif
