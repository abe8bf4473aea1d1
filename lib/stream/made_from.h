/*
 * What in a record was made from what: a reward is of one caption, values are of one reward. A stage that replaces a caption so
 * drops the rest, and a reward names the caption that it is of (formats/envelope.md, formats/reward.md).
 */
#ifndef STREAM_MADE_FROM_H
#define STREAM_MADE_FROM_H

#include "base/hash.h"
#include "stream/stream.h"

/* Whether group `name` was made from one of these n groups, or from what was made from them. */
bool made_from(Slice name, const Group *groups, size_t n);

/* What reward.caption says of a caption with these ids: xxh3-64 of them, 8 bytes each, little endian. */
Digest caption_digest(const int64_t *ids, size_t n);

/*
 * Whether the record's reward is of its caption: reward.caption is the digest of caption.tokens. True also where that cannot be
 * told (no reward, or one without a digest, which -v says once). False with STATUS_MISMATCH.
 */
MUST_USE bool reward_check(const Record *r, Error *err);

#endif
