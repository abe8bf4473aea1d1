/* Phrases that are in the list; see known.h. */
#include "radar/known.h"

#include <stdlib.h>
#include <string.h>

bool known_read(Known *k, const char *path, Error *err)
{
    *k = (Known){.text = file_read(path, &(size_t){0}, err)};
    if (!k->text)
        return false;
    for (char *p = k->text; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);
    char *rest = NULL;
    for (char *line = strtok_r(k->text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        size_t n = strlen(line);
        while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\t'))
            line[--n] = '\0';
        if (n == 0 || line[0] == '#')
            continue;
        k->items = array_reserve(k->items, &k->capacity, k->count + 1, sizeof *k->items);
        k->items[k->count++] = line;
    }
    return true;
}

void known_release(Known *k)
{
    free(k->text);
    free(k->items);
    *k = (Known){0};
}

bool known_find(const Known *k, const char *phrase)
{
    for (size_t i = 0; i < k->count; i++) {
        size_t n = strlen(k->items[i]);
        for (const char *p = phrase; (p = strstr(p, k->items[i])); p++)
            if ((p == phrase || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' '))
                return true;
    }
    return false;
}
