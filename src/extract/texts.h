/*
 * What a name says of a file, and the texts that datasets keep beside a picture or video: NAME.txt, what people wrote of it, one
 * text a line (img2dataset, WebDataset); NAME.json, an object with whatever else is known.
 */
#ifndef EXTRACT_TEXTS_H
#define EXTRACT_TEXTS_H

#include "extract/source.h"
#include "stream/stream.h"

/* Whether a name ends as pictures and videos do. Of what does not, only the bytes can tell. */
bool media_named(const char *name);

/* Whether a name is that of a text that stands beside something. */
bool text_named(const char *name);

/* Whether two names are one but for what follows the last dot. */
bool text_beside(const char *a, const char *b);

/* Whether a file of that ending stands beside the file of that path. */
bool is_beside(const char *path, const char *ending);

/* Gives `s` what stands in the text of that name: references or meta; of what is no such text, s->text_problem says why. */
void text_take(Source *s, const char *name, const char *data, size_t size);

/* Reads the texts beside the file of that path, where there are any. */
void texts_read(Source *s, const char *path);

/* Packs a source's meta. False where it is no JSON, or too deep for a record: nothing is packed then. */
MUST_USE bool meta_pack(Packer *p, const char *meta, Error *err);

/* Gives `to` copies of the texts of `from`. */
void texts_copy(Source *to, const Source *from);

/* Frees the texts of a source. */
void texts_release(Source *s);

#endif
