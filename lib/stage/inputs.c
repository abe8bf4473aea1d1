/* The header's inputs; see inputs.h. */
#include "stage/inputs.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mapped.h"

void inputs_add(json_t *inputs, const char *role, uint64_t digest)
{
    inputs_add_text(inputs, role, digest_text(digest).text);
}

void inputs_add_text(json_t *inputs, const char *role, const char *digest)
{
    json_array_append_new(inputs, json_pack("{s:s, s:s}", "role", role, "digest", digest));
}

bool inputs_add_file(json_t *inputs, const char *role, const char *path, Error *err)
{
    struct stat st;
    if (strcmp(path, "-") == 0)
        return true;
    if (stat(path, &st) != 0)
        return error_set(err, "open %s:", path);
    if (!S_ISREG(st.st_mode))
        return true;
    const unsigned char *data = NULL;
    size_t size = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "open %s:", path);
    bool ok = mapped_open(&data, &size, fd, path, err) || error_prefix(err, "%s", path);
    if (ok)
        inputs_add(inputs, role, hash_id(data, size));
    mapped_close(data, size);
    close(fd);
    return ok;
}

const json_t *inputs_find(const json_t *inputs, const char *role)
{
    for (size_t i = 0; i < json_array_size(inputs); i++) {
        const json_t *input = json_array_get(inputs, i);
        const char *its = json_string_value(json_object_get(input, "role"));
        if (its && strcmp(its, role) == 0)
            return json_object_get(input, "digest");
    }
    return NULL;
}
