/* Records as comma-separated values (RFC 4180, lines end in a line feed): what spreadsheets and data frames read. */
#ifndef TOOLS_CSV_H
#define TOOLS_CSV_H

#include "base/options/options.h"
#include "stream/stream.h"

/* The line of names: id and the fields. */
void csv_head(const StringList *fields);

/* A record's id and fields on stdout: texts as they are, numbers and all else as JSON, nothing where there is none. */
void csv_row(const Record *r, const StringList *fields);

#endif
