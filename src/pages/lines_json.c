/* JSON lines of a file; see lines_json.h. */
#include "pages/lines_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool line_each(const char *path, size_t number, const char *text, size_t size, LineEach *each, void *context, bool *more,
                      Error *err)
{
    json_error_t why;
    if (size == 0 || strspn(text, " \t\r\n") == size)
        return true;
    json_t *line = json_loadb(text, size, 0, &why);
    if (!line && text[size - 1] != '\n')
        return true;
    if (!json_is_object(line)) {
        error_set_status(err, STATUS_CORRUPT, "%s: line %zu: %s", path, number, line ? "no JSON object" : why.text);
        json_decref(line);
        return false;
    }
    *more = each(context, line);
    json_decref(line);
    return true;
}

bool json_lines_each(const char *path, LineEach *each, void *context, Error *err)
{
    FILE *in = fopen(path, "re");
    char *text = NULL;
    size_t capacity = 0, number = 0;
    ssize_t size;
    bool ok = true, more = true;
    if (!in)
        return error_set(err, "open %s:", path);
    while (ok && more && (size = getline(&text, &capacity, in)) >= 0)
        ok = line_each(path, ++number, text, (size_t)size, each, context, &more, err);
    if (ok && ferror(in))
        ok = error_set(err, "read %s:", path);
    free(text);
    fclose(in);
    return ok;
}
