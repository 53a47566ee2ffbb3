#include "refusals.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace leadline::judge {
namespace {

constexpr size_t kMaxRefusalWords = 30;  // longer sentences say something besides
constexpr size_t kMaxNotKnowing = 8;     // "I don't know if ..., but ..." goes on with a claim

// Folded words of the sentence between single spaces, with a space at both ends.
std::string Flatten(const AnalysedText& text, const Sentence& sentence) {
  static constexpr std::string_view kApostrophe = "\u2019";
  std::string out(1, ' ');
  for (size_t i = sentence.first_word; i < sentence.last_word; ++i) {
    const std::string_view word = text.words[i].folded;
    for (size_t at = 0; at < word.size();) {
      const bool apostrophe = word.substr(at).starts_with(kApostrophe);
      out.push_back(apostrophe ? '\'' : word[at]);
      at += apostrophe ? kApostrophe.size() : 1;
    }
    out.push_back(' ');
  }
  return out;
}

template <size_t N>
bool HasAny(std::string_view text, const std::array<std::string_view, N>& phrases) {
  return std::any_of(phrases.begin(), phrases.end(), [text](std::string_view phrase) {
    return text.find(phrase) != std::string_view::npos;
  });
}

constexpr std::array<std::string_view, 5> kNotKnowing = {
    " i don't know ", " i do not know ", " ich weiss es nicht ", " je ne sais pas ", " no lo se "};

constexpr std::array<std::string_view, 17> kCannotAnswer = {" cannot answer ",
                                                            " can't answer ",
                                                            " can not answer ",
                                                            " unable to answer ",
                                                            " not able to answer ",
                                                            " cannot be answered ",
                                                            " cannot be determined ",
                                                            " cannot determine ",
                                                            " not enough information ",
                                                            " insufficient information ",
                                                            " not enough context ",
                                                            " no relevant information ",
                                                            " no information about ",
                                                            " no information on ",
                                                            " no information regarding ",
                                                            " cannot provide an answer ",
                                                            " i can't help with "};

constexpr std::array<std::string_view, 9> kSources = {" context ",  " contexts ", " passage ",
                                                      " passages ", " document ", " documents ",
                                                      " provided ", " text ",     " article "};

constexpr std::array<std::string_view, 7> kSilent = {
    " does not ",         " doesn't ",      " do not ",          " don't ",
    " is not mentioned ", " not provided ", " is not specified "};

constexpr std::array<std::string_view, 9> kSaying = {" mention ", " provide ",   " contain ",
                                                     " include ", " specify ",   " say ",
                                                     " state ",   " mentioned ", " provided "};

// Scripts without spaces: looked for in the text as written.
constexpr std::array<std::string_view, 20> kUnspaced = {
    "我不知道",     "无法回答",   "不能回答",     "无法确定",           "没有提到",
    "未提及",       "没有提及",   "信息不足",     "没有相关信息",       "没有足够的信息",
    "文档中没有",   "ไม่ทราบ",     "ไม่สามารถตอบ",  "ไม่พบข้อมูล",           "ไม่มีข้อมูล",
    "ข้อมูลไม่เพียงพอ", "ไม่ได้กล่าวถึง", "わかりません", "記載されていません", "情報がありません"};

bool IsFiller(std::string_view folded) {
  static constexpr std::array<std::string_view, 24> kWords = {
      "yes",     "yeah",  "sure",   "ok",    "okay", "thanks",    "thank",  "hello",
      "hi",      "hey",   "well",   "oh",    "wow",  "certainly", "please", "sorry",
      "welcome", "great", "indeed", "right", "是的", "好的",      "ครับ",    "ค่ะ"};
  return std::find(kWords.begin(), kWords.end(), folded) != kWords.end();
}

}  // namespace

bool IsRefusal(const AnalysedText& text, const Sentence& sentence) {
  const size_t words = sentence.last_word - sentence.first_word;
  if (words > kMaxRefusalWords) {
    return false;
  }
  const std::string flat = Flatten(text, sentence);
  return (words <= kMaxNotKnowing && HasAny(flat, kNotKnowing)) || HasAny(flat, kCannotAnswer) ||
         (HasAny(flat, kSources) && HasAny(flat, kSilent) && HasAny(flat, kSaying)) ||
         HasAny(text.Written(sentence), kUnspaced);
}

bool IsEmptyTalk(const AnalysedText& text, const Sentence& sentence) {
  for (size_t i = sentence.first_word; i < sentence.last_word; ++i) {
    if (!text.terms[i].function && !IsFiller(text.words[i].folded)) {
      return false;
    }
  }
  return true;
}

}  // namespace leadline::judge
