#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "evidence_index.h"
#include "names.h"
#include "polarity.h"

namespace leadline::judge {

/// Facts of a response sentence that can be checked one by one.
struct FactCheck {
  size_t numbers = 0;                    ///< numbers and dates checked
  size_t names = 0;                      ///< names checked
  std::vector<Quantity> absent_numbers;  ///< in no context
  std::vector<Quantity> unmatched;       ///< not in the evidence sentence, absent ones included
  std::vector<Name> absent_names;        ///< with a word that no context has
  /// A number the evidence sentence does not have, while it has another one of the same kind that
  /// the response sentence does not state.
  bool number_conflict = false;
  /// A name, not an acronym, none of whose words any context has, while the evidence sentence has a
  /// name the response sentence does not use.
  bool name_conflict = false;
  std::optional<Opposition> opposition;
};

/// Checks a sentence of `response` against the contexts and its evidence sentence, if any.
FactCheck CheckFacts(const AnalysedText& response, const Sentence& stated,
                     const EvidenceIndex& index, std::optional<size_t> evidence);

}  // namespace leadline::judge
