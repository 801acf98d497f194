/* Learns a vocabulary from a text: byte-pair encoding over characters, in the form that SentencePiece's tokenizers
 * have: a space is U+2581 at the front of a piece, and what has no piece is spelled in bytes.
 *
 * Text is cut into words, inside which pieces stay: letters (an apostrophe between letters is one), each digit alone,
 * and runs of all other characters, line ends included; a space belongs to the letters or other characters behind it.
 * The most frequent pair of neighbours becomes a piece, again and again; of pairs equally frequent the one whose left
 * text is smaller, then whose right text is (bytes compared).
 * Source: Sennrich, Haddow, Birch 2016, "Neural machine translation of rare words with subword units". */
#ifndef EW_TRAIN_PIECE_LEARNER_H
#define EW_TRAIN_PIECE_LEARNER_H

#include "convert/vocabulary.h"

struct ew_piece_params {
    uint32_t n_vocab; /* all tokens: unknown, BOS, EOS, 256 bytes, merged pieces, single characters */
    uint32_t rare;    /* characters seen less often are spelled in bytes */
};

/* The text's documents as in token_corpus.h. Merged pieces come first, in the order of their birth, and their scores
 * fall in that order; characters follow, most frequent first. Fewer than n_vocab tokens when no pair occurs twice any
 * more. Errors: ARGUMENT (n_vocab leaves no room for characters), MEMORY. *out is the caller's: ew_vocabulary_free. */
enum ew_status ew_pieces_learn(const char *text, size_t size, const struct ew_piece_params *params,
                               struct ew_vocabulary *out, struct ew_error *err);

/* The word at the beginning of a text: *size of its bytes, without a space that comes first (*spaced). Returns the
 * bytes that it takes with that space; 0 at the end. */
size_t ew_piece_word(const char *text, size_t n, bool *spaced, size_t *size);

#endif
