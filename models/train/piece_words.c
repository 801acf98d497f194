/* Owns the rule by which a text is cut into words, see piece_learner.h. Bytes above 0x7f count as letters: in English
 * text they are. */
#include "train/piece_learner.h"

enum kind { SPACE, LETTER, DIGIT, OTHER };

static enum kind kind_of(char c) {
    if (c == ' ') return SPACE;
    if (c >= '0' && c <= '9') return DIGIT;
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (unsigned char)c > 0x7f ? LETTER : OTHER;
}

size_t ew_piece_word(const char *text, size_t n, bool *spaced, size_t *size) {
    size_t at = 0;
    *spaced = n > 0 && text[0] == ' ';
    at += *spaced;
    const size_t begin = at;
    const enum kind kind = at < n ? kind_of(text[at]) : SPACE;
    if (kind == DIGIT && !*spaced) at++;
    while (at < n && (kind == LETTER || kind == OTHER)) {
        const bool inside = kind == LETTER && text[at] == '\'' && at + 1 < n && kind_of(text[at + 1]) == LETTER;
        if (kind_of(text[at]) != kind && !inside) break;
        at++;
    }
    *size = at - begin;
    return at;
}
