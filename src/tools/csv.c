/* Comma-separated values; see csv.h. */
#include "tools/csv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(const char *text, size_t n)
{
    bool quoted = false;
    for (size_t i = 0; i < n; i++)
        quoted |= text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quoted) {
        fwrite(text, 1, n, stdout);
        return;
    }
    putchar('"');
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"')
            putchar('"');
        putchar(text[i]);
    }
    putchar('"');
}

void csv_head(const StringList *fields)
{
    put("id", 2);
    for (size_t i = 0; i < fields->count; i++) {
        putchar(',');
        put(fields->items[i], strlen(fields->items[i]));
    }
    putchar('\n');
}

void csv_row(const Record *r, const StringList *fields)
{
    put(r->id.data, r->id.size);
    for (size_t i = 0; i < fields->count; i++) {
        Slice text, raw = record_raw(r, fields->items[i]);
        putchar(',');
        if (record_string(r, fields->items[i], &text) == FIELD_OK) {
            put(text.data, text.size);
        } else if (raw.data) {
            size_t n;
            json_t *value = slice_json_as(raw, BIN_SIZE);
            char *line = json_is_null(value) ? NULL : json_line(value, &n);
            if (line)
                put(line, n);
            free(line);
            json_decref(value);
        }
    }
    putchar('\n');
}
