/*
 * Models by name: ORG/NAME is a repository's snapshot in the local cache of Hugging Face's Hub, where `hf download` puts it.
 * Nothing is ever fetched.
 *
 *   CACHE/models--ORG--NAME/refs/REVISION     the commit that a branch or tag was at when it was fetched
 *   CACHE/models--ORG--NAME/snapshots/COMMIT  its files, links into ../../blobs
 *
 * CACHE is HF_HUB_CACHE (or HUGGINGFACE_HUB_CACHE), else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else
 * ~/.cache/huggingface/hub.
 */
#ifndef CHECKPOINT_HUB_H
#define CHECKPOINT_HUB_H

#include "base/base.h"

/*
 * The folder that a model's name means, a new string: what stands at this path, if anything does; else, for ORG/NAME or
 * ORG/NAME@REVISION (a branch, a tag or a whole commit; main), the snapshot; else the name itself, for whoever opens it to say
 * that it is not there. NULL with err set for a repository that is not in the cache (err says what to type), and for a cache
 * whose ref is no commit, or whose snapshot has a link that leads to nothing or out of its repository.
 */
char *hub_folder(const char *name, Error *err);

/* Replaces an option's value (options.h, so on the heap; NULL is fine) by its hub_folder; dies where there is none. */
void hub_take(const char **option);

#endif
