/* Owns the matching of the patterns: compiled once, run stage by stage over text that is UTF-8; other bytes never reach
 * PCRE2. The patterns: pretokenize_rules.c. What happens to the words: bpe.c. */
#include "token/pretokenize.h"
#include "base/error.h"
#include "base/utf8.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum ew_status ew_pretokenizer_compile(const struct ew_pretokenize_rule *rule, struct ew_pretokenizer *out,
                                       struct ew_error *err) {
    struct ew_pretokenizer made = {.n_stages = ew_pretokenize_n_stages(rule)};
    for (unsigned i = 0; i < made.n_stages; i++) {
        int code;
        PCRE2_SIZE offset;
        pcre2_code *stage = pcre2_compile((PCRE2_SPTR)rule->patterns[i], PCRE2_ZERO_TERMINATED,
                                          PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &code, &offset, NULL);
        if (!stage) {
            ew_pretokenizer_free(&made);
            if (code == PCRE2_ERROR_NOMEMORY || code == PCRE2_ERROR_HEAP_FAILED)
                return ew_error_set(err, EW_ERR_MEMORY, "pre-tokenizer: no memory to compile a pattern");
            return ew_error_set(err, EW_ERR_INTERNAL, "pre-tokenizer: pattern %u of `%s`: PCRE2 error %d at %zu", i,
                                rule->names, code, (size_t)offset);
        }
        /* Where no machine code can be had (hardened kernels), matching interprets: slower, the same words. */
        (void)pcre2_jit_compile(stage, PCRE2_JIT_COMPLETE);
        made.stages[i] = stage;
    }
    *out = made;
    return EW_OK;
}

void ew_pretokenizer_free(struct ew_pretokenizer *pretokenizer) {
    for (unsigned i = 0; i < pretokenizer->n_stages; i++) pcre2_code_free(pretokenizer->stages[i]);
    *pretokenizer = (struct ew_pretokenizer){0};
}

/* Bytes from text on that are all well-formed, or all not. */
static size_t run_bytes(const uint8_t *text, size_t n, bool *valid) {
    size_t at = 0, size = ew_utf8_char_bytes(text, n);
    *valid = size > 0;
    while (at < n) {
        size = ew_utf8_char_bytes(text + at, n - at);
        if ((size > 0) != *valid) break;
        at += size ? size : 1;
    }
    return at;
}

struct run {
    const struct ew_pretokenizer *pretokenizer;
    pcre2_match_data *match;
    pcre2_match_context *limits;
    ew_pretokenize_word_fn *word;
    void *context;
    struct ew_error *err;
};

/* PCRE2's result: > 0 found, PCRE2_ERROR_NOMATCH, or an error that stays after trying without machine code. */
static int find_match(const struct run *run, unsigned stage, const uint8_t *text, size_t n, size_t from) {
    const pcre2_code *code = run->pretokenizer->stages[stage];
    int rc = pcre2_match(code, text, n, from, PCRE2_NO_UTF_CHECK, run->match, run->limits);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match(code, text, n, from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, run->match, run->limits);
    return rc;
}

/* Depth of the recursion: the stages of the rule. */
static enum ew_status cut(const struct run *run, unsigned stage, const uint8_t *text, size_t n) {
    if (n == 0) return EW_OK;
    if (stage == run->pretokenizer->n_stages) return run->word(run->context, text, n, run->err);
    size_t done = 0;
    while (done < n) {
        const int rc = find_match(run, stage, text, n, done);
        if (rc == PCRE2_ERROR_NOMATCH) break;
        const PCRE2_SIZE *span = pcre2_get_ovector_pointer(run->match);
        const size_t begin = rc >= 0 ? span[0] : 0, end = rc >= 0 ? span[1] : 0;
        if (rc < 0 || end <= begin)
            return ew_error_set(run->err, rc == PCRE2_ERROR_NOMEMORY ? EW_ERR_MEMORY : EW_ERR_LIMIT,
                                "text: cannot be cut into words near byte %zu of a piece of %zu: PCRE2 error %d", done,
                                n, rc);
        enum ew_status status = cut(run, stage + 1, text + done, begin - done);
        if (!status) status = cut(run, stage + 1, text + begin, end - begin);
        if (status) return status;
        done = end;
    }
    return cut(run, stage + 1, text + done, n - done);
}

enum ew_status ew_pretokenizer_run(const struct ew_pretokenizer *pretokenizer, const uint8_t *text, size_t n,
                                   ew_pretokenize_word_fn *word, void *context, struct ew_error *err) {
    struct run run = {pretokenizer, pcre2_match_data_create(1, NULL), pcre2_match_context_create(NULL), word, context,
                      err};
    enum ew_status status = EW_OK;
    if (!run.match || !run.limits) {
        status = ew_error_set(err, EW_ERR_MEMORY, "text: no memory to cut it into words");
        goto done;
    }
    /* A run of blanks is gone through once per alternative; 64 steps per byte leave room for each rule here. */
    const size_t limit = 10000 + 64 * (n < UINT32_MAX / 128 ? n : UINT32_MAX / 128);
    pcre2_set_match_limit(run.limits, (uint32_t)limit);
    for (size_t at = 0; at < n && !status;) {
        bool valid;
        const size_t size = run_bytes(text + at, n - at, &valid);
        status = valid ? cut(&run, 0, text + at, size) : word(context, text + at, size, err);
        at += size;
    }
done:
    pcre2_match_data_free(run.match);
    pcre2_match_context_free(run.limits);
    return status;
}
