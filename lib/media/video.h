/*
 * Frames of one video file: FFmpeg's door.
 *
 * Keyframes are decoded from key packets only: every packet is read, those flagged as key are decoded one by one, the decoder is
 * drained and flushed after each. (FFmpeg's own skip_frame is ignored by its vp9 decoder and by libdav1d; discarding in the
 * demuxer gives wrong pts in mov.) Time stamps are the container's, edit lists applied; what an edit list hides is not shown.
 *
 * Nothing is opened but the given bytes: containers that name other files or hosts (playlists, concat scripts, SDP) are not among
 * those that are read (video_formats.c), and no protocol of FFmpeg's is allowed. A Video belongs to one thread.
 */
#ifndef MEDIA_VIDEO_H
#define MEDIA_VIDEO_H

#include "media/image.h"

/* A regular file (fd >= 0, read with pread, not closed here) or bytes in memory. */
typedef struct VideoInput {
    const char *name;
    int fd;
    const uint8_t *data;
    int64_t size;
} VideoInput;

/* Which frames. The last two decode everything. */
typedef enum VideoMode {
    VIDEO_KEYFRAMES,
    VIDEO_EVERY, /* the first frame at or after each multiple of `amount` seconds from the first frame's time */
    VIDEO_SCENE, /* the first frame, and each whose change score is above `amount` (0 to 1; as FFmpeg's select=scene) */
} VideoMode;

/* One thing found wrong with a source, and where. */
typedef struct VideoGap {
    double time;  /* seconds; NAN where that is not known */
    int64_t byte; /* of the source; -1 where that is not known */
    char *reason; /* owned: what was found and expected */
} VideoGap;

/* All of them, in the order in which they were found, up to GAPS_MAX. `= {0}` is empty. */
enum { GAPS_MAX = 100 };
typedef struct VideoGaps {
    VideoGap *items; /* owned */
    size_t count, capacity;
    int64_t more; /* found beyond those kept */
} VideoGaps;

/* Adds one thing found wrong; NAN and -1 where time and byte are not known. Those beyond the list's limit are counted. */
void gaps_add(VideoGaps *g, double time, int64_t byte, const char *reason);
void gaps_release(VideoGaps *g);

typedef struct VideoChoice {
    VideoMode mode;
    double amount;
    double until;       /* on seconds_now()'s clock: give up then; 0 for never */
    int64_t max_pixels; /* of a picture; at most IMAGE_MAX_PIXELS */
    VideoGaps *gaps;    /* what is found wrong is added to them; NULL: only the first, in the report */
} VideoChoice;

typedef enum VideoVerdict {
    VERDICT_COMPLETE,
    VERDICT_DAMAGED,    /* something is missing: reason and missing say what */
    VERDICT_UNREADABLE, /* nothing could be opened */
    VERDICT_TIMED_OUT,
    VERDICT_TOO_LARGE, /* more pixels or bytes than are wanted */
    VERDICT_CUT,       /* the program was asked to end */
} VideoVerdict;

/* "complete", "damaged", ...: the journal's words. */
const char *verdict_name(VideoVerdict v);

/* Where a frame's pts comes from. */
typedef enum VideoStamp {
    STAMP_PTS,   /* the container */
    STAMP_DTS,   /* the container gives only decoding times: earlier than the picture's by what the codec reorders */
    STAMP_COUNT, /* the container gives none: counted on at the nominal rate (where everything is decoded) */
    STAMP_NONE,  /* none, and nothing to count from: 0 */
} VideoStamp;

typedef struct VideoFrame {
    int64_t pts;
    VideoStamp stamp;
    int time_base[2]; /* seconds per unit of pts: numerator, denominator */
    double time;      /* pts * time_base */
    char pict_type;   /* 'I', 'P', 'B' */
    int stream;
    int width, height;               /* as shown: upright, pixels square */
    int stored_width, stored_height; /* as decoded */
    int orientation;                 /* of the display matrix, as EXIF counts: 1 upright, to 8 */
    bool full_range;                 /* black is 0, not 16: as the stream says or its format implies */
    int64_t packet;                  /* byte of the source at which its packet begins; -1 where that is not known */
} VideoFrame;

/* How a source ended. */
typedef struct VideoReport {
    VideoVerdict verdict;
    int64_t missing;  /* keyframes known to be lost (with EVERY and SCENE: damaged packets) */
    char reason[512]; /* what was found and expected; empty when complete */
} VideoReport;

typedef struct Video Video;

/* Whether FFmpeg is sure enough that the bytes are in one of the containers that are read. Opens nothing. */
bool video_probe(const VideoInput *in);

/* NULL when there is no video in it: then *report says why. */
Video *video_open(const VideoInput *in, const VideoChoice *choice, VideoReport *report);
void video_free(Video *v);

/* The next frame; false at the end (video_report then tells how it ended). */
bool video_next(Video *v, VideoFrame *frame);

/*
 * Passes the next frame over; false at the end. A keyframe skipped is not decoded: only a cut packet shows in the report,
 * what is damaged inside does not. The modes that decode everything know the next frame no sooner than it is decoded.
 */
bool video_pass(Video *v);

/*
 * Goes on to the frame that `want` describes: of its pts and stamp, from the packet at byte want->packet (-1: from any). False
 * when there is none from here on. Keyframes on the way are not decoded; in the other modes every frame is one that may be found.
 */
bool video_find(Video *v, const VideoFrame *want, VideoFrame *frame);

/*
 * How many frames video_next will give if nothing is damaged: reads (and in the modes that decode everything, decodes) to the
 * end. The Video is then used up: free it and open the file anew. -1 when asked to end or timed out.
 */
int64_t video_count(Video *v);

/* How it ended; valid after video_next gave false. */
VideoReport video_report(Video *v);

/*
 * The frame last given as RGB, turned upright; its sides are those of the stored pixels, so where the sample aspect ratio is not
 * 1 the caller resizes it to frame.width x frame.height. The caller releases it.
 */
MUST_USE bool video_image(Video *v, Image *out, Error *err);

/* The frame last given as a JPEG made from its planes, without a detour through RGB. False (no error) when it needs one. */
MUST_USE bool video_jpeg(Video *v, Buffer *out, int quality);

#endif
