/* What ranks.c needs of whatever carries messages: mpi/, or absent/ in a build without it. */
#ifndef RANKS_WIRE_H
#define RANKS_WIRE_H

#include "base/base.h"

/* Host names are cut to this, with the zero behind them. */
enum { WIRE_HOST = 64 };

/* Starts it; host is of WIRE_HOST bytes. False with err set where this build has nothing that carries. */
MUST_USE bool wire_open(size_t *rank, size_t *size, char *host, Error *err);
void wire_close(void);

/* A message that is under way. */
typedef struct Wire Wire;

/* Each begins one; memory stays the caller's until wire_done has said so. Counts are in bytes, those of wire_sum in integers. */
Wire *wire_gather_sizes(const int64_t *mine, int64_t *all);
Wire *wire_gather(const void *mine, size_t bytes, void *all, const size_t *offset, size_t size);
Wire *wire_sum(int64_t *values, size_t n);
Wire *wire_broadcast(size_t from, void *data, size_t bytes);

/* What a word to rank 0 is about: a rank has come to an exchange; or it has waited in one for as long as its patience. */
typedef enum Word { WORD_COME = 1, WORD_WAITS } Word;

/* One integer to rank 0, and rank 0's wait for that of another. Words of one kind come in the order in which they were told. */
Wire *wire_tell(Word word, const int64_t *value);
Wire *wire_hear(Word word, size_t from, int64_t *value);

/* Bytes to another rank, and from it. */
Wire *wire_send(size_t to, const void *data, size_t bytes);
Wire *wire_receive(size_t from, void *data, size_t bytes);

/* Looks, without waiting, whether it is done; then the message is no more. */
MUST_USE bool wire_done(Wire *w);

/* Ends all ranks, this one too. */
_Noreturn void wire_abort(int status);

#endif
