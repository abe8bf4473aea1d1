/* Frames with their truth; see gallery.h. */
#include "world/lessons/gallery.h"

#include <stdlib.h>

#include "stage/frame.h"

static bool sight_add(Gallery *g, const Preprocess *p, const Shot *shot, double time, const Record *r, Error *err)
{
    Image image = {0}, small = {0};
    if (!frame_image(&image, r, err))
        return false;
    preprocess_resize(&small, &image, p);
    g->sights = array_reserve(g->sights, &g->capacity, g->n + 1, sizeof *g->sights);
    g->sights[g->n++] = (Sight){&shot->scene, (time - shot->start) / (shot->end - shot->start), small.rgb};
    image_release(&image);
    return true;
}

bool gallery_read(Gallery *g, Filter *f, const char *truth, const Preprocess *p, Error *err)
{
    Record r;
    *g = (Gallery){.side = p->size, .values = *p};
    g->values.longest = 0;
    if (!truth_read(&g->truth, truth, err))
        return false;
    while (filter_next(f, &r)) {
        double time;
        Error fault = {0};
        if (r.kind != RECORD_DATA)
            continue;
        const Shot *shot = truth_find_record(&g->truth, &r);
        if (!shot || record_real(&r, "frame.time", &time) != FIELD_OK)
            filter_failed(f, &r, "its frame is in no shot of %s", truth);
        else if (!sight_add(g, p, shot, time, &r, &fault))
            filter_failed(f, &r, "%s", fault.text);
    }
    return true;
}

void gallery_release(Gallery *g)
{
    for (size_t i = 0; i < g->n; i++)
        free(g->sights[i].rgb);
    free(g->sights);
    truth_release(&g->truth);
    *g = (Gallery){0};
}

void gallery_pixels(const Gallery *g, float *out, const size_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        Image image = {.width = g->side, .height = g->side, .rgb = g->sights[numbers[i]].rgb};
        preprocess(out + i * 3 * (size_t)g->side * (size_t)g->side, &image, &g->values);
    }
}

void gallery_draw(const Gallery *g, size_t *numbers, size_t n, Dice *d)
{
    for (size_t i = 0; i < n; i++)
        numbers[i] = (size_t)dice_below(d, (int)g->n);
}
