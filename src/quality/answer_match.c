/* Owns the finding of a number in a text, and the two comparisons. */
#include "quality/answer_match.h"

#include <ctype.h>
#include <string.h>

/* "#### " and at least one of these, behind a minus sign or not: thousands separators and a full stop belong to it. */
const char *ew_answer_strict_number(const char *text, size_t *n) {
    for (const char *at = text; (at = strstr(at, "#### ")); at++) {
        const char *number = at + 5;
        size_t sign = *number == '-', length = strspn(number + sign, "0123456789.,");
        if (length == 0) continue;
        *n = sign + length;
        return number;
    }
    return NULL;
}

/* The last of the stretches that are a number: two or more digits, dollar signs, points and commas, or digits alone. */
const char *ew_answer_last_number(const char *text, size_t *n) {
    const char *last = NULL;
    for (const char *at = text; *at;) {
        size_t sign = *at == '-', length = strspn(at + sign, "$0123456789.,");
        if (length < 2) length = strspn(at + sign, "0123456789");
        if (length == 0) {
            at++;
            continue;
        }
        last = at;
        *n = sign + length;
        at += *n;
    }
    return last;
}

/* Without separators at the end, and without a full stop there. */
static size_t number_length(const char *number, size_t n) {
    while (n > 0 && (number[n - 1] == ',' || number[n - 1] == '$')) n--;
    return n > 0 && number[n - 1] == '.' ? n - 1 : n;
}

/* Numbers are equal where what is left without commas, dollar signs and a full stop at the end is. */
static bool same_number(const char *number, size_t n, const char *answer) {
    size_t a = 0, b = 0, n_answer = number_length(answer, strlen(answer));
    n = number_length(number, n);
    for (;; a++, b++) {
        while (a < n && (number[a] == ',' || number[a] == '$')) a++;
        while (b < n_answer && (answer[b] == ',' || answer[b] == '$')) b++;
        if (a >= n || b >= n_answer) return a >= n && b >= n_answer;
        if (tolower((unsigned char)number[a]) != tolower((unsigned char)answer[b])) return false;
    }
}

/* Case and punctuation (of ASCII) do not count, nor white space before the answer. */
static bool same_text(const char *text, const char *answer) {
    while (isspace((unsigned char)*text)) text++;
    for (;; text++, answer++) {
        while (ispunct((unsigned char)*text)) text++;
        while (ispunct((unsigned char)*answer)) answer++;
        if (tolower((unsigned char)*text) != tolower((unsigned char)*answer)) return false;
        if (!*text) return true;
    }
}

struct ew_answer_match ew_answer_matches(enum ew_task_match how, const char *const *answers, uint32_t n,
                                         const char *text) {
    struct ew_answer_match match = {false, false};
    size_t n_strict = 0, n_last = 0;
    const char *strict = ew_answer_strict_number(text, &n_strict), *last = ew_answer_last_number(text, &n_last);
    for (uint32_t i = 0; i < n; i++) {
        if (how == EW_TASK_MATCH_TEXT) {
            match.strict = match.strict || same_text(text, answers[i]);
            match.flexible = match.strict;
        } else {
            match.strict = match.strict || (strict && same_number(strict, n_strict, answers[i]));
            match.flexible = match.flexible || (last && same_number(last, n_last, answers[i]));
        }
    }
    return match;
}
