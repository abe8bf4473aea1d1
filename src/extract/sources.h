/*
 * The sources in their order: what the opener names and what is in archives; unique names, shards, passes and shuffling.
 */
#ifndef EXTRACT_SOURCES_H
#define EXTRACT_SOURCES_H

#include "extract/journal.h"
#include "extract/opener.h"
#include "extract/settings.h"
#include "extract/source.h"

typedef struct Sources Sources;
Sources *sources_new(const SourceSettings *s, const Limits *limits, Opener *opener); /* all are borrowed */
void sources_free(Sources *s);

/* The next source of this shard, by name; false when there are no more or when asked to end. */
bool sources_next(Sources *s, Source *out);

/* Whether --except names this id. */
bool sources_excepts(const Sources *s, const char *id);

/* How many sources of this shard are done already (--without, --except) and were skipped. */
int64_t sources_skipped(const Sources *s);

/* How many files were no media, by name and content, and were skipped: this shard's share of them. */
int64_t sources_passed(const Sources *s);

/* The same of all shards together; *first: the first of them (borrowed). */
int64_t sources_passed_in_all(const Sources *s, const char **first);

/* Opens it (source->opened or source->data), or sets source->problem. False when asked to end. */
bool sources_open(Sources *s, Source *source);

/*
 * Whether a source that the journal lists is another than it was when it was done: by its length, and where only its time is
 * another, by its digest. False for what the journal does not list, does not say enough of, or cannot be read now.
 */
bool sources_changed(Sources *s, const Journal *j, Source *source);

#endif
