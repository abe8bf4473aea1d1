/* Names of images; see image_names.h. */
#include "eval/image_names.h"

#include <string.h>

#include "base/hash.h"

const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void image_names_add(ImageNames *s, size_t place, int64_t id, const char *file)
{
    places_add(&s->by_id, (uint64_t)id, place);
    if (!file)
        return;
    const char *name = base_name(file), *dot = strrchr(name, '.');
    places_add(&s->by_name, hash_id(name, strlen(name)), place);
    if (dot)
        places_add(&s->by_name, hash_id(name, (size_t)(dot - name)), place);
}

size_t image_names_id(const ImageNames *s, int64_t id)
{
    return places_find(&s->by_id, (uint64_t)id);
}

static size_t find_name(const ImageNames *s, Slice name)
{
    size_t i = places_find(&s->by_name, hash_id(name.data, name.size));
    const char *dot = name.size ? memrchr(name.data, '.', name.size) : NULL;
    if (i == SIZE_MAX && dot)
        i = places_find(&s->by_name, hash_id(name.data, (size_t)(dot - name.data)));
    return i;
}

static size_t find_number(const ImageNames *s, Slice id)
{
    int64_t number = 0;
    if (id.size == 0 || id.size > 18)
        return SIZE_MAX;
    for (size_t i = 0; i < id.size; i++) {
        if (id.data[i] < '0' || id.data[i] > '9')
            return SIZE_MAX;
        number = 10 * number + (id.data[i] - '0');
    }
    return places_find(&s->by_id, (uint64_t)number);
}

static Slice last_part(Slice path)
{
    const char *slash = path.size ? memrchr(path.data, '/', path.size) : NULL;
    return slash ? (Slice){slash + 1, path.size - (size_t)(slash + 1 - path.data)} : path;
}

size_t image_names_find(const ImageNames *s, Slice id, Slice path)
{
    size_t i = path.size ? find_name(s, last_part(path)) : SIZE_MAX;
    if (i == SIZE_MAX)
        i = find_number(s, id);
    return i != SIZE_MAX ? i : find_name(s, last_part(id));
}

void image_names_release(ImageNames *s)
{
    places_release(&s->by_id);
    places_release(&s->by_name);
}

char *image_names_say(int64_t id, const char *file)
{
    return file && *file ? xasprintf("%lld or %s", (long long)id, base_name(file)) : xasprintf("%lld", (long long)id);
}
