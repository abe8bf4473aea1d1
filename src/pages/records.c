/* Streams and JSON lines, read alike; see records.h. */
#include "pages/records.h"

#include <stdio.h>
#include <string.h>

#include "stream/filter.h"

/* Whether a file begins as JSON lines do: no stream begins with {. */
static bool begins_with_brace(const char *path)
{
    FILE *in = fopen(path, "re");
    int c = in ? fgetc(in) : EOF;
    if (in)
        fclose(in);
    return c == '{';
}

int records_each(const char *path, bool lines, RecordEach *each, void *context, Error *err)
{
    Record r;
    int status = STATUS_CLEAN;
    bool more = true;
    if (strcmp(path, "-") != 0)
        lines = begins_with_brace(path);
    Reader *in = lines ? reader_open_json(path, err) : reader_open(path, err);
    if (!in)
        return err->status ? err->status : STATUS_FAILURE;
    for (RecordKind kind; more && (kind = reader_next_or_interrupt(in, &r)) != RECORD_NONE;) {
        if (kind == RECORD_FAILED) {
            *err = *reader_error(in);
            status = status_worse(status, err->status);
            break;
        }
        if (kind == RECORD_END)
            status = status_worse(status, reader_end(in).status);
        else if (kind == RECORD_DATA)
            more = each(context, &r);
    }
    if (reader_cut(in))
        status = status_worse(status, STATUS_INTERRUPTED);
    reader_free(in);
    return status;
}
