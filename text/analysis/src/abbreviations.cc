#include "abbreviations.h"

#include <algorithm>
#include <array>

namespace leadline::text {
namespace {

// Sorted; looked up by binary search.
constexpr std::array<std::string_view, 44> kNeverEnds = {
    "adm",  "approx", "assoc", "asst", "brig", "c.f",    "ca",  "capt", "cf",   "cmdr", "col",
    "cpl",  "dr",     "e.g",   "eg",   "eq",   "eqs",    "esp", "fig",  "figs", "gen",  "gov",
    "hon",  "i.e",    "ie",    "lt",   "maj",  "messrs", "mme", "mr",   "mrs",  "ms",   "mt",
    "prof", "pvt",    "ref",   "refs", "rep",  "resp",   "rev", "sen",  "sgt",  "viz",  "vs"};
constexpr std::array<std::string_view, 32> kBeforeDigit = {
    "apr", "art", "aug", "ch",   "chap", "dec",  "ed",  "feb", "jan", "jul", "jun",
    "l",   "ll",  "mar", "no",   "nos",  "nov",  "nr",  "nrs", "oct", "op",  "p",
    "par", "pp",  "sec", "sect", "sep",  "sept", "tab", "v",   "vol", "vols"};
constexpr std::array<std::string_view, 26> kMayEnd = {
    "a.d", "a.m", "al",  "b.c", "bros", "co",  "corp", "dept", "est", "et", "etc", "ft",  "inc",
    "jr",  "llc", "ltd", "m.d", "m.sc", "p.m", "ph.d", "plc",  "spp", "sr", "st",  "u.k", "u.s"};
constexpr std::array<std::string_view, 60> kOpeners = {
    "a",       "after",   "all",    "also", "although",    "an",   "and",     "another", "as",
    "at",      "because", "before", "both", "but",         "by",   "despite", "during",  "each",
    "finally", "first",   "for",    "from", "furthermore", "he",   "her",     "here",    "his",
    "how",     "however", "i",      "if",   "in",          "it",   "its",     "many",    "moreover",
    "most",    "my",      "no",     "on",   "one",         "our",  "several", "she",     "since",
    "so",      "some",    "that",   "the",  "their",       "then", "there",   "these",   "they",
    "this",    "those",   "we",     "when", "while",       "you"};

template <size_t N>
constexpr bool IsSorted(const std::array<std::string_view, N>& list) {
  return std::is_sorted(list.begin(), list.end());
}

static_assert(IsSorted(kNeverEnds) && IsSorted(kBeforeDigit) && IsSorted(kMayEnd) &&
              IsSorted(kOpeners));

template <size_t N>
bool Contains(const std::array<std::string_view, N>& list, std::string_view word) {
  return std::binary_search(list.begin(), list.end(), word);
}

}  // namespace

AbbreviationKind FindAbbreviation(std::string_view folded) {
  if (Contains(kNeverEnds, folded)) {
    return AbbreviationKind::kNeverEnds;
  }
  if (Contains(kBeforeDigit, folded)) {
    return AbbreviationKind::kBeforeDigit;
  }
  return Contains(kMayEnd, folded) ? AbbreviationKind::kMayEnd : AbbreviationKind::kNone;
}

bool OpensSentences(std::string_view folded) {
  return Contains(kOpeners, folded);
}

}  // namespace leadline::text
