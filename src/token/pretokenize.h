/* Cutting text into words before byte-level BPE: the regular expressions of tokenizer.ggml.pre. A rule is a list of
 * stages; each stage cuts the pieces of the one before into its matches and what lies between them.
 * Source: the pre_tokenizer patterns published with the models (tokenizer.json). */
#ifndef EW_TOKEN_PRETOKENIZE_H
#define EW_TOKEN_PRETOKENIZE_H

#include "edgewise/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EW_PRETOKENIZE_MAX_STAGES = 6 };

struct ew_pretokenize_rule {
    const char *names; /* values of tokenizer.ggml.pre, each followed by a space */
    const char *patterns[EW_PRETOKENIZE_MAX_STAGES];
    bool ignore_merges; /* a word that is in the vocabulary is one token, whatever the merges say */
    bool adds_bos;      /* where tokenizer.ggml.add_bos_token is missing */
};

/* NULL for a name that is not known. pretokenize_rules.c has the table. */
const struct ew_pretokenize_rule *ew_pretokenize_find_rule(const char *name, size_t n);
/* Whether the name is known to mean something that no rule here can stand in for: BPE without the byte alphabet, or
 * without merges. */
bool ew_pretokenize_is_foreign(const char *name, size_t n);
unsigned ew_pretokenize_n_stages(const struct ew_pretokenize_rule *rule);

/* Compiled patterns. Read-only after opening; shared by threads. */
struct ew_pretokenizer {
    void *stages[EW_PRETOKENIZE_MAX_STAGES]; /* pcre2_code */
    unsigned n_stages;
};

/* Memory one compiled stage takes. An estimate: PCRE2 10.42 on x86-64 took 0.15-0.8 KiB of code plus 0.4-6.3 KiB of
 * machine code per pattern; it hands machine code out of 64 KiB blocks that all patterns of the process share. */
enum { EW_PRETOKENIZE_STAGE_BYTES = 8 * 1024 };

enum ew_status ew_pretokenizer_compile(const struct ew_pretokenize_rule *rule, struct ew_pretokenizer *out,
                                       struct ew_error *err);
void ew_pretokenizer_free(struct ew_pretokenizer *pretokenizer);

/* Gets every word in order; anything but EW_OK ends the run with that status. */
typedef enum ew_status ew_pretokenize_word_fn(void *context, const uint8_t *word, size_t n, struct ew_error *err);

/* Words concatenated are the text. Bytes that are not UTF-8 form words of their own. Every match is limited to work
 * linear in the text (LIMIT otherwise, which no rule here is known to reach); MEMORY. */
enum ew_status ew_pretokenizer_run(const struct ew_pretokenizer *pretokenizer, const uint8_t *text, size_t n,
                                   ew_pretokenize_word_fn *word, void *context, struct ew_error *err);

#endif
