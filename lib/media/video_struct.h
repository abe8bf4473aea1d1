/* The parts of a Video, for the video*.c files only. */
#ifndef MEDIA_VIDEO_STRUCT_H
#define MEDIA_VIDEO_STRUCT_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswscale/swscale.h>

#include "media/video.h"

typedef struct Stamp {
    int64_t pts, dts;
} Stamp;

struct Video {
    VideoInput in;
    VideoChoice choice;
    int64_t at; /* read position */
    AVIOContext *io;
    AVFormatContext *format;
    AVCodecContext *decoder;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *sws;
    bool parts_end; /* all packets were read and the decoder is being drained */

    /* seen so far */
    Stamp *keys; /* owned: key packets that came out whole */
    size_t n_keys, keys_capacity;
    int64_t end;        /* of the last packet, in bytes of the file; 0 when the container does not say where packets are */
    int64_t lost;       /* key packets that did not (or, decoding everything, damaged packets) */
    double promised;    /* seconds the header promises; 0 when it does not say */
    double first, last; /* times of the first and last moment of any packet */
    bool any_packet, any_time, timed_out, cut;
    VideoReport report; /* the first thing found wrong */
    double next_time;   /* EVERY: the next frame is taken at or after it */
    double time_before; /* EVERY: of the frame before */
    int64_t next_pts;   /* after the frame before, at the nominal rate */
    bool any_frame;
    double last_change;          /* SCENE: the mean difference before */
    uint8_t *luma, *luma_before; /* owned: SCENE's planes */
    size_t luma_size;
};

/* FFmpeg's demuxers that are read, with commas between; and whether one is among them: video_formats.c. */
extern const char formats_read[];
bool format_is_read(const AVInputFormat *format);

/* Errors that FFmpeg logged in this thread since log_reset; the first of them is log_text. */
void log_reset(void);
int log_count(void);
const char *log_text(void);

/* Notes that something is wrong: the first is the report's reason, all are gaps. */
void video_fault(Video *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same of the packet in v->packet: its time and place go with it. */
void packet_fault(Video *v, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Whether the time is up or the program was asked to end. */
bool video_stopped(Video *v);

/* Looks, after the last packet, for what the container promised and did not hold. */
void video_check_end(Video *v);

/* Up to n bytes of the source from byte `at` on; how many there are. */
size_t video_read_at(const Video *v, int64_t at, uint8_t *out, size_t n);

/* Containers that are chains of units, each of which says how long it is: video_chains.c. */
void check_boxes(Video *v);
void check_riff(Video *v);
void check_mxf(Video *v);
void check_asf(Video *v);

/* Damages v where the container's own lengths and marks of its end are not those of its bytes, for the formats that have such. */
void video_check_bytes(Video *v);

/* Decodes one packet by itself: the first picture that comes out, and FFmpeg's status. */
int video_decode_one(Video *v, const AVPacket *packet, AVFrame *out);

/* Whether the picture in v->frame depends on what follows v->packet: then something of the packet is missing. */
bool video_reads_on(Video *v);

/* Whether a key packet of H.264 refers to no other picture. */
bool h264_stands_alone(const AVPacket *packet, const AVCodecParameters *c);

/* What there is to say of the frame in v->frame: of a keyframe decoded alone, from v->packet; of the next where all are decoded.
 */
void video_describe_key(Video *v, VideoFrame *out);
void video_describe_decoded(Video *v, VideoFrame *out);

/* EXIF orientation of the frame's display matrix. */
int video_orientation(const Video *v);

/* Swscale's colour space and range of a frame: what the stream says, else 709 from 720 lines up and 601 below, limited. */
int frame_colorspace(const AVFrame *f);
bool frame_full_range(const AVFrame *f);

/* Whether its values stand for light by PQ or HLG (BT.2100). */
bool frame_is_hdr(const AVFrame *f);

/* The frame's change score against the one before, 0 to 1; 1 for the first. */
double video_change(Video *v);

#endif
