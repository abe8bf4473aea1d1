/* Whole files of JSON; see json_file.h. */
#include "base/json_file.h"

#include <stdlib.h>
#include <string.h>

static json_t *object_read(const char *path, size_t flags, Error *err)
{
    size_t size;
    char *text = file_read(path, &size, err);
    if (!text)
        return NULL;
    json_error_t why;
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES | flags, &why);
    free(text);
    if (!root)
        error_set_status(err, STATUS_CORRUPT, "%s: line %d: %s", path, why.line, why.text);
    else if (!json_is_object(root)) {
        error_set_status(err, STATUS_CORRUPT, "%s: no JSON object", path);
        json_decref(root);
        root = NULL;
    }
    return root;
}

json_t *json_file_read(const char *path, Error *err)
{
    return object_read(path, 0, err);
}

json_t *json_file_read_reals(const char *path, Error *err)
{
    return object_read(path, JSON_DECODE_INT_AS_REAL, err);
}

bool json_file_write(const char *folder, const char *name, const json_t *value, Error *err)
{
    char *path = path_join(folder, name), *text = json_dumps(value, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
    bool ok = file_write(path, text, strlen(text), err);
    free(text);
    free(path);
    return ok;
}
