/* Some fields of a record: what vlrm-cat --fields keeps. */
#ifndef TOOLS_FIELDS_H
#define TOOLS_FIELDS_H

#include "base/options/options.h"
#include "stream/stream.h"

/* The record as msgpack with its id and the fields alone: "caption" keeps a group, "caption.text" a key of it, and so on down. */
void fields_pack(Packer *out, const Record *r, const StringList *fields);

/* The record as msgpack with this caption alone in place of its own, and without what was made from that. */
void caption_replace(Packer *out, const Record *r, const char *text);

#endif
