/* Known and nearly known names of options; see option_names.h. */
#include "base/options/names.h"

#include <string.h>

enum { NAME_MOST = 40, NEAR_MOST = 2 };

bool option_name_known(const char *name)
{
    /* formats/run.md: what stands beside options in RUN/config.json and RUN/train.json. */
    static const char *const others[] = {"sources", "filter",  "score",   "score-weight",
                                         "digests", "version", "changes", "upstream"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    for (const char *const *o = option_names; *o; o++)
        if (strcmp(name, *o) == 0)
            return true;
    return false;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance: letters to insert, delete or replace. Both are at most NAME_MOST long. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t row[NAME_MOST + 1];
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[m];
}

const char *option_name_near(const char *name, size_t n)
{
    const char *near = NULL;
    size_t least = NEAR_MOST + 1;
    for (const char *const *o = option_names; *o && n <= NAME_MOST; o++) {
        size_t m = strlen(*o), d = m <= NAME_MOST ? distance(name, n, *o, m) : least;
        if (d < least && d < n) {
            least = d;
            near = *o;
        }
    }
    return near;
}
