/* Owns UTF-8 stepping and the classes of characters that string methods ask for. Classes and case come from the C
 * library's C.UTF-8 locale, whatever the user's is; without it only ASCII has letters. */
#include "chat/chat_unicode.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

static locale_t locale;
static void open_locale(void) {
    locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (!locale) locale = newlocale(LC_CTYPE_MASK, "C", (locale_t)0);
}
static locale_t letters(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, open_locale);
    return locale;
}

size_t ew_unicode_next(const char *text, size_t size, uint32_t *code) {
    const uint8_t *p = (const uint8_t *)text;
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    *code = 0xfffd;
    if (n == 0 || n > size) return 1;
    uint32_t c = n == 1 ? p[0] : p[0] & (0x7fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (p[i] >> 6 != 2) return 1;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff) return 1;
    *code = c;
    return n;
}

size_t ew_unicode_last(const char *text, size_t size, uint32_t *code) {
    for (size_t n = size < 4 ? size : 4; n > 1; n--)
        if (ew_unicode_next(text + size - n, n, code) == n) return n;
    return ew_unicode_next(text + size - 1, 1, code);
}

size_t ew_unicode_put(char *out, uint32_t code) {
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint32_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, code >>= 6) out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)(lead[n] | code);
    return n;
}

size_t ew_unicode_count(const char *text, size_t size) {
    size_t n = 0;
    uint32_t code;
    for (size_t at = 0; at < size; n++) at += ew_unicode_next(text + at, size - at, &code);
    return n;
}

size_t ew_unicode_offset(const char *text, size_t size, size_t index) {
    size_t at = 0;
    uint32_t code;
    for (; index > 0 && at < size; index--) at += ew_unicode_next(text + at, size - at, &code);
    return at;
}

bool ew_unicode_is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}
bool ew_unicode_is_alpha(uint32_t c) { return iswalpha_l((wint_t)c, letters()) && !ew_unicode_is_digit(c); }
bool ew_unicode_is_digit(uint32_t c) { return c >= '0' && c <= '9'; }
uint32_t ew_unicode_upper(uint32_t c) { return (uint32_t)towupper_l((wint_t)c, letters()); }
uint32_t ew_unicode_lower(uint32_t c) { return (uint32_t)towlower_l((wint_t)c, letters()); }
