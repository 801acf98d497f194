/* Owns the table of pre-tokenizers: which name of tokenizer.ggml.pre means which patterns. \s of the sources is spelled
 * out as Unicode White_Space, because PCRE2's own \s takes U+180E too; (?i:'s) as '[sS], because ignoring case would
 * take the long s U+017F. Where a published pattern would look ahead through all that follows at every place, it is
 * rewritten to look once per run; the words are the same. How the patterns are matched: pretokenize.c.
 * Sources: the pre_tokenizer of each model's tokenizer.json; names as llama.cpp's converter writes them. */
#include "token/pretokenize.h"

#include <string.h>

#define WS "\\x{09}-\\x{0d}\\x{85}\\p{Z}" /* inside brackets */
#define CONTRACTION "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
#define TAIL_SPACES "[" WS "]+(?![^" WS "])|[" WS "]+"
#define SPACES "[" WS "]*[\\r\\n]+|" TAIL_SPACES
#define GPT2_WORDS "'(?:[stmd]|re|ve|ll)| ?\\p{L}+| ?\\p{N}+| ?[^" WS "\\p{L}\\p{N}]+|[" WS "]+(?![^" WS "])"
/* Llama 3 and its kin differ in how many digits go together. */
#define LLAMA3_REST(digits) "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define LLAMA3_WORDS(digits) CONTRACTION "|" LLAMA3_REST(digits)
/* Words of tekken and GPT-4o: capitals, then small letters, with what may follow. */
#define CASED_WORDS(suffix, digits)                                                                                    \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+" suffix                 \
    "|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*" suffix "|" digits     \
    "| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define GPT4O_WORDS(digits) CASED_WORDS("(?:" CONTRACTION ")?", digits)
#define HAN_KANA "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+"
#define ASCII_MARK_WORD "[!-/:-@\\[-`{-~][A-Za-z]+"
#define MARKED_WORDS ASCII_MARK_WORD "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+"
#define DEEPSEEK_CJK "[\\x{4e00}-\\x{9fa5}\\x{800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+"
#define BLOOM_WORDS " ?[^(" WS "|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{964}\\x{6d4}\\x{60c})]+"
/* In threes from the right, in two stages: what is left over at the front is cut off, then the threes. */
#define THREES_FROM_RIGHT(digit, other)                                                                                \
    "(?<!" digit ")" digit "{0,2}\\K(?:" digit "{3})++(?!" digit ")" other "*", digit "{3}" other "*"
/* \b after a digit; PCRE2 10.42 takes no marks for parts of words. */
#define WORD_END "(?![\\p{L}\\p{M}\\p{N}\\p{Pc}])"
/* The letters that DeepSeek LLM counts as such: Unicode's cased ones, short of some scripts. */
#define DEEPSEEK_LETTERS                                                                                               \
    "A-Za-z\\x{b5}\\x{c0}-\\x{d6}\\x{d8}-\\x{f6}\\x{f8}-\\x{1ba}\\x{1bc}-\\x{1bf}\\x{1c4}-\\x{293}"                    \
    "\\x{295}-\\x{2af}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37b}-\\x{37d}\\x{37f}\\x{386}\\x{388}-\\x{38a}"             \
    "\\x{38c}\\x{38e}-\\x{3a1}\\x{3a3}-\\x{3f5}\\x{3f7}-\\x{481}\\x{48a}-\\x{52f}\\x{531}-\\x{556}"                    \
    "\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}"                  \
    "\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}"                  \
    "\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}"          \
    "\\x{1f80}-\\x{1fb4}\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}"         \
    "\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}"                   \
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}"                    \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}"                    \
    "\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}"                   \
    "\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}"                  \
    "\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}"                \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}\\x{118a0}-\\x{118df}"        \
    "\\x{1e900}-\\x{1e943}"

static const struct ew_pretokenize_rule rules[] = {
    {"gpt-2 phi-2 mpt olmo jais trillion granite-docling gigachat mellum exaone4 a.x-4.0 modern-bert roberta-bpe "
     "jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code ",
     {GPT2_WORDS},
     false,
     false},
    {"default ", {"[\\p{P}$+<=>^~|]+", GPT2_WORDS, "\\p{N}+", "[0-9][0-9][0-9]"}, false, false},
    {"llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ",
     {LLAMA3_WORDS("\\p{N}{1,3}")},
     true,
     true},
    {"dbrx smaug-bpe chatglm-bpe glm4 ", {LLAMA3_WORDS("\\p{N}{1,3}")}, false, false},
    {"qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan solar-open grok-2 kormo f2llmv2 bailingmoe bailingmoe2 "
     "llada-moe ",
     {LLAMA3_WORDS("\\p{N}")},
     false,
     false},
    {"qwen35 ",
     {CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^" WS "\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES},
     false,
     false},
    {"ufakzeka ", {LLAMA3_REST("\\p{N}")}, false, false},
    {"laguna ", {"[^\\n]+|[\\n]+", LLAMA3_WORDS("\\p{N}")}, false, false},
    {"minicpm5 ", {"\\p{N}{1,3}", LLAMA3_WORDS("\\p{N}+")}, true, false},
    {"seed-coder ",
     {CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^" WS "\\p{L}\\p{N}\\r\\n]+|" SPACES},
     false,
     false},
    /* Blanks that have a blank other than a line's end before them hold no line's end, or they had been taken with it.
     */
    {"jais-2 ",
     {CONTRACTION
      "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^" WS "\\p{L}\\p{N}]+[\\r\\n]*"
      "|(?<![\\t\\x{0b}\\x{0c}\\x{85}\\p{Z}])[" WS "]*[\\r\\n]+|(?:[" WS "]{512}|[" WS "]{256}|[" WS "]{128}"
      "|[" WS "]{64}|[" WS "]{32}|[" WS "]{16}|[" WS "]{8}|[" WS "]{4}|[" WS "]{1,2})(?![^" WS "])|[" WS "]"},
     false,
     false},
    {"exaone-moe ",
     {CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}\\p{M}*+(?: ?\\p{L}\\p{M}*+)*+|\\p{N}| ?[^" WS
                  "\\p{L}\\p{N}]+[\\r\\n/]?"
                  "|" SPACES},
     false,
     false},
    {"starcoder refact command-r smollm codeshell exaone minerva-7b mellum2 ", {"\\p{N}", GPT2_WORDS}, false, false},
    {"chameleon ",
     {"<sentinel:[0-9]+>", "IMGIMG[A-I]{1,4}Z", "[\\t\\n]|    |  ", "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]", GPT2_WORDS},
     false,
     true},
    {"bloom poro-chat gpt3-finnish ", {BLOOM_WORDS}, false, false},
    {"viking ", {BLOOM_WORDS, "\\p{N}"}, false, false},
    {"deepseek-llm ",
     {"[\\r\\n]", "[" WS "]?[" DEEPSEEK_LETTERS "]+",
      "[" WS "]?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
      "(?<![" WS "])[" WS "]+$", DEEPSEEK_CJK, "\\p{N}+"},
     false,
     false},
    {"deepseek-coder ", {"[\\r\\n]", "[" WS "]?\\p{L}+", "[" WS "]?\\p{P}+", DEEPSEEK_CJK, "\\p{N}"}, false, false},
    {"deepseek-v3 hunyuan-dense joyai-llm hy_v4 ",
     {"\\p{N}{1,3}", HAN_KANA, MARKED_WORDS "[\\r\\n]*|" SPACES},
     false,
     false},
    {"spark2_5 ", {"\\p{N}{1,3}", HAN_KANA, MARKED_WORDS "|[\\r\\n]|" TAIL_SPACES, "\\p{N}"}, false, false},
    {"afmoe ",
     {"\\p{N}+", THREES_FROM_RIGHT("\\p{N}", "\\P{N}"),
      "[\\x{4e00}-\\x{9fff}\\x{3400}-\\x{4dbf}\\x{f900}-\\x{faff}\\x{3040}-\\x{30ff}\\x{ff65}-\\x{ff9f}\\x{2f00}-\\x{"
      "2fdf}"
      "\\x{e40}-\\x{eff}\\x{1780}-\\x{17ff}\\x{1000}-\\x{109f}\\x{aa60}-\\x{aa7f}\\x{a9e0}-\\x{a9ff}\\x{ac00}-\\x{d7af}"
      "\\x{1100}-\\x{11ff}]+",
      MARKED_WORDS "[\\r\\n]*|" SPACES},
     false,
     false},
    {"superbpe ", {"\\p{N}+", THREES_FROM_RIGHT("\\d", "\\D")}, false, false},
    {"falcon ", {"[\\p{P}$+<=>^~|`]+", GPT2_WORDS, "[0-9][0-9][0-9]"}, false, false},
    {"tekken ", {CASED_WORDS("", "\\p{N}")}, true, true},
    {"gpt-4o llama4 kanana2 talkie minimax-m2 ", {GPT4O_WORDS("\\p{N}{1,3}")}, false, false},
    {"granite-embed-multi-97m ", {GPT4O_WORDS("\\p{N}{1,3}")}, true, false},
    {"youtu ",
     {"[\\x{ac00}-\\x{d7a3}\\x{3131}-\\x{318e}]+|[\\x{ff01}\\x{2026}\\x{201c}\\x{201d}\\x{2018}\\x{2019}\\x{2014}\\x{"
      "ff1a}"
      "\\x{ff1b}\\x{ff0c}\\x{3001}-\\x{303f}\\x{fe30}-\\x{fe4f}]+|[\\x{3105}-\\x{312f}]+|" HAN_KANA,
      GPT4O_WORDS("\\p{N}")},
     true,
     false},
    {"tiny_aya cohere2moe ",
     {"(?<!\\d)\\d{1,2}(?=(?:\\d{3})*+" WORD_END ")|(?:(?<!\\d)|\\G)(?:\\d{3})++" WORD_END, GPT4O_WORDS("\\p{N}{1,3}")},
     false,
     false},
};

const struct ew_pretokenize_rule *ew_pretokenize_find_rule(const char *name, size_t n) {
    if (n == 0 || memchr(name, ' ', n)) return NULL;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        for (const char *at = rules[i].names; *at; at = strchr(at, ' ') + 1)
            if (strncmp(at, name, n) == 0 && at[n] == ' ') return &rules[i];
    return NULL;
}

bool ew_pretokenize_is_foreign(const char *name, size_t n) {
    static const char *const foreign[] = {"gemma4", "granite-embed-multi-311m", "kimi-k2", "sarvam-moe", "whitespace"};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (n == strlen(foreign[i]) && memcmp(name, foreign[i], n) == 0) return true;
    return false;
}

unsigned ew_pretokenize_n_stages(const struct ew_pretokenize_rule *rule) {
    unsigned n = 0;
    while (n < EW_PRETOKENIZE_MAX_STAGES && rule->patterns[n]) n++;
    return n;
}
