#pragma once

#include "analysed_text.h"

namespace leadline::judge {

/// Tells whether the sentence declines to answer ("I don't know", "the context does not mention
/// it", "无法回答", "ไม่พบข้อมูล"): a statement about the answer, not about the world.
bool IsRefusal(const AnalysedText& text, const Sentence& sentence);

/// Tells whether the sentence has no word that could be checked: function words, "yes", "thanks".
bool IsEmptyTalk(const AnalysedText& text, const Sentence& sentence);

}  // namespace leadline::judge
