/*
 * vlrm-extract: videos and still images to a stream of frames. Options and the order of things; the work is in the files beside.
 *
 * A process of its own finds and opens what there is to read (opener.c, walk.c, coco.c); the one that decodes can open nothing.
 * In it, sources (sources.c, tar.c) are taken one by one under a lock; each is worked on by one thread (work.c, input.c, still.c,
 * filters.c), which hands its frames to jobs.c; the main thread writes them in the order of the sources and then vouches for the
 * source in the journal (journal.c). append.c repairs the output of a killed run. With --again there are records in place of
 * sources: again.c makes their frames anew.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sandbox.h"
#include "base/signals.h"
#include "extract/again.h"
#include "extract/jobs.h"
#include "stage/inputs.h"
#include "stream/filter.h"

static struct {
    SourceSettings sources;
    FrameSettings frames;
    OutputSettings output;
    Limits limits;
    const char *again, *size, *shard, *shuffle;
    int64_t jobs, limit;
    Sandbox sandbox;
} o;

static const Option options[] = {
    OPT_GROUP("Sources"),
    OPT_STRING("list", 0, &o.sources.list, NULL, "FILE", "read the names of files and folders from FILE, one a line; - for stdin",
               .may_change = true),
    OPT_STRING(
        "coco", 0, &o.sources.coco, NULL, "FILE",
        "take the images of COCO's own captions_*.json, or of a dataset_coco.json with Karpathy's splits; what people wrote of "
        "them goes into the records as references"),
    OPT_LIST("split", 0, &o.sources.split, NULL, "NAME", "take only the images of this split of --coco; may be repeated"),
    OPT_STRING("root", 0, &o.sources.root, ".", "DIR",
               "look for --coco's images, and for the sources of --again, below this folder"),
    OPT_STRING("again", 0, &o.again, NULL, "FILE",
               "extract the frames of the records in FILE once more, each from what its record says; - for stdin"),
    OPT_STRING("name", 0, &o.sources.name, "stdin", "TEXT", "call the source on stdin so, in ids and journal"),
    OPT_STRING("shard", 0, &o.shard, "0/1", "I/N", "take only every Nth source, beginning with number I (from 0)"),
    OPT_STRING("without", 0, &o.sources.without, NULL, "ENDING",
               "take only sources beside which no file NAME.ENDING stands; shards are counted before"),
    OPT_STRING("except", 0, &o.sources.except, NULL, "FILE",
               "leave out frames whose ids are in FILE: lines of JSON with an \"id\", as vlrm caption prints"),
    OPT_STRING("shuffle", 0, &o.shuffle, NULL, "SEED",
               "take sources in random order; keeps all their names in memory; tar shards must be plain files, not compressed"),
    OPT_FLAG("loop", 0, &o.sources.loop, "begin again after the last source, for ever; ids end in @PASS, from 1"),
    OPT_INT("limit", 0, &o.limit, "0", 0, 9e15, "N", "end after N frames; 0 for no limit", .may_change = true),
    OPT_REAL("deadline", 0, &o.limits.deadline, "0", 0, 1e9, "SEC", "give a source up after so many seconds; 0 for never",
             .may_change = true),
    OPT_INT("max-pixels", 0, &o.limits.max_pixels, "134217728", 1, IMAGE_MAX_PIXELS, "N",
            "refuse a picture of more pixels than this, as stored or as --size PX makes it: its source fails, undecoded"),
    OPT_INT(
        "max-bytes", 0, &o.limits.max_bytes, "137438953472", 1, 9e15, "N",
        "refuse a source of more bytes than this; and always a still of more than 1 GiB, or a tar shard's member of more than 2 GiB"),
    SANDBOX_OPTION(o.sandbox),
    OPT_FLAG_ON(
        "texts", 0, &o.sources.texts,
        "read the files beside a picture or video: NAME.txt becomes frame.references, a text a line, NAME.json frame.meta"),
    OPT_GROUP("Which frames of a video"),
    OPT_REAL("every", 0, &o.frames.every, "0", 0, 1e9, "SEC",
             "take a frame every SEC seconds instead of keyframes; decodes everything", .first = true),
    OPT_REAL("scene", 0, &o.frames.scene, "0", 0, 1, "T",
             "take the first frame of each scene: change score above T; decodes everything"),
    OPT_INT("max", 0, &o.frames.max, "0", 0, 9e15, "N", "take at most N frames of a source; 0 for all", .first = true),
    OPT_ENUM("pick", 0, &o.frames.pick, "first", "first|spread|random", "choose which frames --max keeps"),
    OPT_INT("seed", 0, &o.frames.seed, "1", 0, 9e15, "N", "seed --pick random; each pass of --loop draws again"),
    OPT_GROUP("Pictures"),
    OPT_STRING("size", 0, &o.size, NULL, "PX|WxH", "resize, as Pillow's bicubic: shorter side PX, or exactly W x H",
               .first = true),
    OPT_ENUM("encoding", 0, &o.frames.encoding, "jpeg", "jpeg|png|rgb",
             "store frames in this encoding; a still that needs no change keeps its own bytes unless this is given"),
    OPT_INT("quality", 0, &o.frames.quality, "90", 1, 100, "Q", "set JPEG's quality"),
    OPT_GROUP("Frames to drop (each is counted as filtered)"),
    OPT_FLAG("drop-black", 0, &o.frames.drop_black, "leave out black frames"),
    OPT_REAL("black-share", 0, &o.frames.black_share, "0.98", 0, 1, "S",
             "call a frame black when this share of its pixels is dark"),
    OPT_FLAG("drop-blur", 0, &o.frames.drop_blur, "leave out blurred frames"),
    OPT_REAL("blur-threshold", 0, &o.frames.blur_threshold, "20", 0, 1e6, "V",
             "call a frame blurred when the variance of its Laplacian, at 256 pixels, is below V"),
    OPT_FLAG("drop-duplicates", 0, &o.frames.drop_duplicates, "leave out frames that look like an earlier one of their source"),
    OPT_FLAG(
        "dedup-all", 0, &o.frames.dedup_all,
        "leave out frames that look like any earlier one of the stream; with --resume also of the runs before, by hashes in the journal"),
    OPT_INT("duplicate-distance", 0, &o.frames.duplicate_distance, "6", 0, 64, "BITS",
            "call frames alike when at most BITS of 64 of their perceptual hashes differ"),
    OPT_GROUP("Long runs"),
    OPT_INT("jobs", 'j', &o.jobs, "1", 1, 1024, "N", "work on so many files at a time; the order of the output stays",
            .first = true, .may_change = true),
    OPT_STRING("journal", 0, &o.output.journal, NULL, "FILE", "write a JSON line for each source that is done: its verdict",
               .first = true, .may_change = true),
    OPT_FLAG("resume", 0, &o.output.resume, "skip the sources that the journal lists", .may_change = true),
    OPT_ENUM("retry", 0, &o.output.retry, "none", "none|failed", "do those again that are not complete, with --resume",
             .may_change = true),
    OPT_STRING("append", 0, &o.output.append, NULL, "FILE",
               "write to FILE; with --resume what a killed run left there is kept as far as the journal confirms it",
               .may_change = true),
    OPT_FLAG("dry-run", 0, &o.sources.names_only,
             "extract nothing: print the options in force and each source as JSON lines, named as the journal names it; with "
             "--resume those that are others than when they were done are marked as changed"),
    OPT_GROUP("Stream"),
    OPT_INT("batch", 0, &o.output.batch, "0", 0, 9e15, "N", "close a batch after every N records; 0 for no batches"),
    FILTER_OPTION_ZSTD(o.output.zstd),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-extract",
    .summary = "extract keyframes of videos, and still images, as a stream of records",
    .operands = "[file|folder|-]...",
    .output = "frame",
    .description =
        "Each operand is a video of any kind that FFmpeg knows, an image (JPEG, PNG, WebP), a folder (walked recursively in byte "
        "order of the paths; names that begin with a dot are skipped, and so are FIFOs, devices and sockets, with a line on "
        "stderr), a tar shard in WebDataset layout, or - for the bytes of one file on stdin. What a folder or a shard has that is "
        "no picture or video, neither by its name nor by its bytes, is skipped and counted; what is one by either, and cannot "
        "be read, is a failure.\n\n"
        "What stands beside a picture or video goes with its frames: each line of NAME.txt into frame.references, the object in "
        "NAME.json as frame.meta, as img2dataset and WebDataset lay them out (--no-texts).\n\n"
        "By default the frames are the keyframes of the video stream, with the container's own time stamps, turned upright, in "
        "square pixels. A record's id is the source's name, for a video followed by # and the time in seconds (and by + and the "
        "frame's number where that time is not later than the one before); for a still it is the name alone. The name is the "
        "path as given, for --coco the cocoid; a name that comes again gets (2), (3) and so on. Bytes of a name that are not "
        "UTF-8 are written %XX, and so is a # before what looks like such a time.\n\n"
        "A still keeps its own bytes unless its pixels must change: --size, --encoding, an EXIF orientation (undone without "
        "loss), transparency (laid on white, stored as PNG).\n\n"
        "A damaged file gives the frames it has, a line on stderr that says what is missing, and exit status 3; so do files that "
        "cannot be read. A source opens nothing but itself: playlists and other files that name further files or hosts are "
        "unreadable, and what decodes runs in a process that can open no file, reach no network and start no program (--sandbox; "
        "with --again it may open files). The end record counts what is missing as failed. Damage is told where it is met: a "
        "keyframe that --max does not keep is not decoded, and in place of a damaged one comes the next.\n\n"
        "With --again nothing is chosen: each record of FILE gets the picture that it says it has, made from the source that it "
        "names, in its size and encoding. Records that lack their image (vlrm-cat --bin=omit) get it back; all else that they "
        "hold stays. Where something that a record says no longer holds (the source's digest, where the packet lies, "
        "orientation, range, size, the picture's own bytes) a line on stderr names it, the record is passed on as it came and "
        "counted as failed, and the exit status is 3.",
    .examples = "vlrm-extract clip.mp4 | vlrm-cat --fields id,frame.time\n"
                "vlrm-extract --size 364 --max 8 --pick spread --jobs 2 videos | vlrm-cat --count\n"
                "# A long run that may be killed and started again with the same command:\n"
                "vlrm-extract --journal done.jsonl --resume --append frames.vlrm videos\n"
                "# One of its frames once more, from the video:\n"
                "vlrm-cat --to=stream --id videos/clip1.mp4#0.000 frames.vlrm | vlrm-extract --again - > again.vlrm\n",
    .options = options,
};

static int side(const char *text, size_t n)
{
    char digits[16];
    int64_t v = 0;
    snprintf(digits, sizeof digits, "%.*s", (int)n, text);
    if (n == 0 || n > 9 || !parse_int(digits, 1, IMAGE_MAX_SIDE, &v))
        usage_error("--size: '%s' is neither PX nor WxH, each from 1 to %d", o.size, IMAGE_MAX_SIDE);
    return (int)v;
}

static void parse_size(void)
{
    const char *x = o.size ? strchr(o.size, 'x') : NULL;
    if (x) {
        o.frames.size_width = side(o.size, (size_t)(x - o.size));
        o.frames.size_height = side(x + 1, strlen(x + 1));
    } else if (o.size) {
        o.frames.size_short = side(o.size, strlen(o.size));
    }
}

static void parse_shard(void)
{
    const char *slash = strchr(o.shard, '/');
    char index[24] = "";
    if (slash && slash - o.shard < (ptrdiff_t)sizeof index)
        memcpy(index, o.shard, (size_t)(slash - o.shard));
    if (!slash || !parse_int(slash + 1, 1, INT64_C(1) << 40, &o.sources.shards) ||
        !parse_int(index, 0, o.sources.shards - 1, &o.sources.shard_index))
        usage_error("--shard: '%s' is not I/N with I from 0 to N-1", o.shard);
}

/* With --again everything about a frame is said by its record. */
static void check_again(int n)
{
    static const char *const others[] = {"list",
                                         "coco",
                                         "split",
                                         "name",
                                         "shard",
                                         "shuffle",
                                         "loop",
                                         "limit",
                                         "every",
                                         "scene",
                                         "max",
                                         "pick",
                                         "seed",
                                         "size",
                                         "encoding",
                                         "quality",
                                         "drop-black",
                                         "black-share",
                                         "batch",
                                         "resume",
                                         "drop-blur",
                                         "journal",
                                         "retry",
                                         "blur-threshold",
                                         "drop-duplicates",
                                         "dedup-all",
                                         "append",
                                         "texts",
                                         "dry-run",
                                         "without",
                                         "except",
                                         "jobs",
                                         "duplicate-distance"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (option_given(&program, others[i]))
            usage_error("--%s cannot be used with --again, which takes everything from the records", others[i]);
    if (n > 0)
        usage_error("--again takes its sources from the records, not from operands");
}

static void check_options(char **operands, int n)
{
    if (o.again)
        check_again(n);
    int dashes = 0;
    for (int i = 0; i < n; i++)
        dashes += strcmp(operands[i], "-") == 0;
    bool list_stdin = o.sources.list && strcmp(o.sources.list, "-") == 0;
    if (n == 0 && !o.sources.list && !o.sources.coco && !o.again)
        usage_error("no source: name files or folders, - for stdin, --list, --coco or --again");
    if (dashes + list_stdin > 1)
        usage_error("stdin can be read only once");
    if (o.frames.every > 0 && o.frames.scene > 0)
        usage_error("give --every or --scene, not both");
    if (o.sources.loop && (dashes || o.sources.list))
        usage_error("--loop cannot read stdin or a list again");
    if ((o.output.resume || o.output.append) && !o.output.journal)
        usage_error("--resume and --append need --journal");
    if (o.output.retry == RETRY_FAILED && !o.output.resume)
        usage_error("--retry needs --resume");
    if (o.sources.names_only && o.sources.loop)
        usage_error("--dry-run cannot be used with --loop: it would not end");
    if (o.sources.except && (o.output.journal || o.sources.loop))
        usage_error("--except cannot be used with --journal or --loop");
    if (o.output.resume && o.sources.loop)
        usage_error("--resume cannot be combined with --loop");
    if (o.sources.split.count > 0 && !o.sources.coco)
        usage_error("--split needs --coco");
    if (o.shuffle && !parse_int(o.shuffle, 0, INT64_MAX, &o.sources.shuffle_seed))
        usage_error("--shuffle: '%s' is not a whole number from 0", o.shuffle);
    o.sources.shuffled = o.shuffle != NULL;
    o.sources.done_too = o.frames.dedup_all;
    o.frames.passes = o.sources.loop;
    o.frames.encoding_given = option_given(&program, "encoding");
    parse_size();
    parse_shard();
}

static Heading heading_make(void)
{
    Error err = {0};
    Heading h = {options_json(&program), options_may_change(&program), json_array()};
    if ((o.sources.list && !inputs_add_file(h.inputs, "list", o.sources.list, &err)) ||
        (o.sources.coco && !inputs_add_file(h.inputs, "coco", o.sources.coco, &err)))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    return h;
}

/* How many files were no media, and one of them. Of several shards the first speaks for all. */
static void say_passed(const Sources *sources)
{
    const char *first;
    int64_t passed = sources_passed_in_all(sources, &first);
    if (passed > 0 && o.sources.shard_index == 0)
        warn("skipped %lld file%s that %s no picture or video, by name and content: %s%s", (long long)passed,
             passed == 1 ? "" : "s", passed == 1 ? "is" : "are", first, passed == 1 ? "" : " and others (-v names each)");
}

/* Ends the segment and says what came of it. */
static int end_stream(Writer *w, const Totals *t, const Sources *sources, const Error *err)
{
    int status = t->cut ? STATUS_INTERRUPTED : t->failed > 0 ? STATUS_SOME_FAILED : STATUS_CLEAN;
    if (t->sources == 0 && writer_records(w) == 0 && !t->cut && !o.output.resume && sources_skipped(sources) == 0)
        status = STATUS_EMPTY;
    if (t->empty_stdin && t->sources == 1)
        status = STATUS_EMPTY;
    bool ok = err->text[0] == '\0';
    if (ok && t->in_batch > 0)
        ok = writer_batch(w, t->batches, t->in_batch, -1);
    int64_t passed = sources_passed(sources);
    json_t *extra = passed > 0 ? json_pack("{s:I}", "no_media", (json_int_t)passed) : NULL;
    ok = ok && writer_end_with(w, t->failed, t->filtered, status, extra) && writer_flush(w);
    if (!ok) {
        error_warn(writer_error(w)->text[0] ? writer_error(w) : err);
        return writer_error(w)->status ? writer_error(w)->status : STATUS_FAILURE;
    }
    if (status == STATUS_EMPTY)
        warn("no source: nothing to extract from");
    say_passed(sources);
    if (sources_skipped(sources) > 0)
        warn("skipped %lld sources that are done already", (long long)sources_skipped(sources));
    if (status != STATUS_CLEAN || verbosity > 0)
        warn("done %llu, failed %lld, filtered %lld", (unsigned long long)writer_records(w), (long long)t->failed,
             (long long)t->filtered);
    return status;
}

/* A JSON line on stdout; takes it. */
static void print_line(json_t *line)
{
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(17));
    printf("%s\n", text);
    free(text);
    json_decref(line);
}

/* NULL without --journal. */
static Journal *open_journal(void)
{
    Error err = {0};
    Journal *journal = !o.output.journal      ? NULL
                       : o.sources.names_only ? journal_look(&o.output, &err)
                                              : journal_open(&o.output, o.frames.dedup_all, &err);
    if (o.output.journal && !journal)
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    return journal;
}

static int dry_run(char **operands, int n)
{
    Opener *opener = opener_new(&o.sources, operands, n);
    Journal *journal = open_journal();
    Sources *sources = sources_new(&o.sources, &o.limits, opener);
    sandbox_seal(o.sandbox); /* of what a name does not tell, the bytes are looked at */
    Source s;
    bool any = o.output.resume;
    print_line(json_pack("{s:o}", "params", options_json(&program)));
    while (sources_next(sources, &s)) {
        json_t *line = json_pack("{s:s}", "source", s.label);
        if (sources_changed(sources, journal, &s))
            json_object_set_new(line, "changed", json_true());
        print_line(line);
        source_release(&s);
        any = true;
    }
    say_passed(sources);
    sources_free(sources);
    journal_close(journal);
    opener_free(opener);
    if (interrupted())
        return finish_stdout(STATUS_INTERRUPTED);
    if (!any)
        warn("no source: nothing to extract from");
    return finish_stdout(any ? STATUS_CLEAN : STATUS_EMPTY);
}

int main(int argc, char **argv)
{
    int n;
    char **operands = options_parse(&program, argc, argv, &n);
    check_options(operands, n);
    if (o.again) {
        sandbox_confine(o.sandbox); /* it opens what records name, as it reads them */
        return again_run(o.again, &o.sources, &o.frames, &o.limits, (int)o.output.zstd, &program);
    }
    signals_init();
    if (o.sources.names_only)
        return dry_run(operands, n);
    Error err = {0};
    Totals totals = {0};
    Opener *opener = opener_new(&o.sources, operands, n);
    Journal *journal = open_journal();
    Sources *sources = sources_new(&o.sources, &o.limits, opener);
    Heading heading = heading_make();
    Writer *w =
        o.output.append ? append_open(&o.output, journal, &heading, &totals) : writer_new(1, "stdout", (int)o.output.zstd);
    if (!o.output.append)
        (void)!heading_write(&heading, w); /* a failure sticks to the writer */
    int status = STATUS_FAILURE;
    if (writer_error(w)->text[0]) {
        error_warn(writer_error(w));
        status = writer_error(w)->status ? writer_error(w)->status : STATUS_FAILURE;
    } else {
        sandbox_seal(o.sandbox); /* where the kernel has less, it has said so */
        const JobSettings settings = {o.jobs, o.limit, o.output.batch, &o.frames, &o.limits};
        (void)!jobs_run(&settings, sources, journal, w, &totals, &err);
        status = end_stream(w, &totals, sources, &err);
    }
    writer_free(w);
    sources_free(sources);
    opener_free(opener);
    journal_close(journal);
    json_decref(heading.params);
    json_decref(heading.may_change);
    json_decref(heading.inputs);
    return finish_stdout(status);
}
